// A target that takes everything at once. GET /_count tells how many calls it took; after GET /_down it answers 503,
// until GET /_up.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

func main() {
	var taken int64
	var down atomic.Bool
	http.HandleFunc("/_down", func(w http.ResponseWriter, r *http.Request) { down.Store(true) })
	http.HandleFunc("/_up", func(w http.ResponseWriter, r *http.Request) { down.Store(false) })
	http.HandleFunc("/_count", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, atomic.LoadInt64(&taken)) })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if down.Load() {
			w.WriteHeader(503)
			return
		}
		atomic.AddInt64(&taken, 1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(201)
		fmt.Fprint(w, `{"ok":true}`)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

// A target that takes everything at once. GET /_count tells how many calls it took; after GET /_down it answers 503,
// until GET /_up. GET /_latency tells, and forgets, the milliseconds from each event to its call, of those whose
// X-Correlation-ID is sent-<nanoseconds since 1970>.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	var taken int64
	var down atomic.Bool
	var lock sync.Mutex
	var latencies []string
	http.HandleFunc("/_latency", func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		fmt.Fprint(w, "["+strings.Join(latencies, ",")+"]")
		latencies = nil
	})
	http.HandleFunc("/_down", func(w http.ResponseWriter, r *http.Request) { down.Store(true) })
	http.HandleFunc("/_up", func(w http.ResponseWriter, r *http.Request) { down.Store(false) })
	http.HandleFunc("/_count", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, atomic.LoadInt64(&taken)) })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if sent, found := strings.CutPrefix(r.Header.Get("X-Correlation-ID"), "sent-"); found {
			if at, err := strconv.ParseInt(sent, 10, 64); err == nil {
				lock.Lock()
				latencies = append(latencies, fmt.Sprintf("%.3f", float64(time.Now().UnixNano()-at)/1e6))
				lock.Unlock()
			}
		}
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

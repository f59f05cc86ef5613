// A target that takes everything at once. GET /_count tells how many calls it took; after GET /_down it answers 503,
// until GET /_up; what it refuses is not counted. GET /_latency tells, and forgets, the milliseconds from each event to
// its call, of those whose X-Correlation-ID is sent-<nanoseconds since 1970>.
//
// After GET /_await?from=<id> it notes the paths of calls whose X-Correlation-ID is not before <id>. GET /_arrived tells
// how many there are, and when, in seconds since 1970, the first call since then was taken and the last path was new.
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

// Arrivals are the paths that were called about what is awaited.
type Arrivals struct {
	lock        sync.Mutex
	from        string
	paths       map[string]bool
	first, last float64
}

func (arrivals *Arrivals) await(from string) {
	arrivals.lock.Lock()
	defer arrivals.lock.Unlock()
	arrivals.from, arrivals.paths = from, map[string]bool{}
	arrivals.first, arrivals.last = 0, 0
}

func (arrivals *Arrivals) note(id string, path string) {
	now := float64(time.Now().UnixNano()) / 1e9
	arrivals.lock.Lock()
	defer arrivals.lock.Unlock()
	if arrivals.paths == nil {
		return
	}
	if arrivals.first == 0 {
		arrivals.first = now
	}
	if id >= arrivals.from && !arrivals.paths[path] {
		arrivals.paths[path] = true
		arrivals.last = now
	}
}

func (arrivals *Arrivals) told() string {
	arrivals.lock.Lock()
	defer arrivals.lock.Unlock()
	return fmt.Sprintf(`{"paths":%d,"first":%.6f,"last":%.6f}`, len(arrivals.paths), arrivals.first, arrivals.last)
}

func main() {
	var taken int64
	var down atomic.Bool
	var lock sync.Mutex
	var latencies []string
	var arrivals Arrivals
	http.HandleFunc("/_latency", func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		fmt.Fprint(w, "["+strings.Join(latencies, ",")+"]")
		latencies = nil
	})
	http.HandleFunc("/_down", func(w http.ResponseWriter, r *http.Request) { down.Store(true) })
	http.HandleFunc("/_up", func(w http.ResponseWriter, r *http.Request) { down.Store(false) })
	http.HandleFunc("/_count", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, atomic.LoadInt64(&taken)) })
	http.HandleFunc("/_await", func(w http.ResponseWriter, r *http.Request) { arrivals.await(r.URL.Query().Get("from")) })
	http.HandleFunc("/_arrived", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, arrivals.told()) })
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
		arrivals.note(r.Header.Get("X-Correlation-ID"), r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(201)
		fmt.Fprint(w, `{"ok":true}`)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

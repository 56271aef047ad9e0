// An HTTP load generator for servers on the same machine.
//
// With -rate it is an open loop: requests have a time of their own, whether the server keeps up or not, and
// latency counts from that time, so that a server that stalls is charged for the queue it makes. Without, every
// connection asks again as soon as it is answered. With -hold it opens connections, asks once on each, lets them
// lie idle, and asks once more. The report is JSON on stdout.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"math/bits"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	answerTimeout = 30 * time.Second
	drainTimeout  = 2 * time.Second // after the last scheduled time; what has not been sent by then is "unsent"
	shortestTick  = 50 * time.Microsecond
	mostQueued    = 1 << 20
)

// histogram counts microseconds in buckets at most 1.6 % wide.
type histogram [2304]uint64

func (h *histogram) add(d time.Duration) {
	us := uint64(max(d.Microseconds(), 0))
	shift := max(bits.Len64(us)-7, 0)
	h[min(shift*64+int(us>>shift), len(h)-1)]++
}

// quantileMs is the upper edge of the bucket that holds the quantile.
func (h *histogram) quantileMs(q float64) float64 {
	var total, seen uint64
	for _, n := range h {
		total += n
	}
	rank := uint64(math.Ceil(q * float64(total)))
	for i, n := range h {
		if seen += n; n > 0 && seen >= rank {
			shift := max(i/64-1, 0)
			return float64((uint64(i-shift*64+1)<<shift)-1) / 1000
		}
	}
	return 0
}

// tally is what one connection saw; `ok` counts the warm-up too, the rest does not.
type tally struct {
	latency, late           histogram
	longest                 time.Duration
	requests, ok, unsent    int
	statuses, errors, cache map[string]int
}

func newTally() *tally {
	return &tally{statuses: map[string]int{}, errors: map[string]int{}, cache: map[string]int{}}
}

func (t *tally) add(other *tally) {
	for i := range t.latency {
		t.latency[i] += other.latency[i]
		t.late[i] += other.late[i]
	}
	t.longest = max(t.longest, other.longest)
	t.requests += other.requests
	t.ok += other.ok
	t.unsent += other.unsent
	for _, pair := range [][2]map[string]int{
		{t.statuses, other.statuses}, {t.errors, other.errors}, {t.cache, other.cache},
	} {
		for name, n := range pair[1] {
			pair[0][name] += n
		}
	}
}

var cacheField = []byte(`"cache":"`)

func (t *tally) answered(status int, body []byte) {
	t.requests++
	t.statuses[strconv.Itoa(status)]++
	if at := bytes.Index(body, cacheField); at >= 0 {
		level, _, _ := bytes.Cut(body[at+len(cacheField):], []byte{'"'})
		t.cache[string(level)]++
	}
}

// connection speaks HTTP/1.1 with keep-alive and Content-Length, which is all that the servers answer with.
type connection struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	body    []byte
}

func (c *connection) ask(request []byte) (status int, body []byte, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.address); err != nil {
			return 0, nil, err
		}
		c.in = bufio.NewReader(c.conn)
	}
	defer func() {
		if err != nil {
			c.conn.Close()
			c.conn = nil
		}
	}()
	c.conn.SetDeadline(time.Now().Add(answerTimeout))
	if _, err = c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, nil, err
			}
		}
	}
	if length < 0 {
		return 0, nil, errors.New("an answer without Content-Length")
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	for read := 0; read < length; {
		n, err := c.in.Read(c.body[read:])
		if err != nil {
			return 0, nil, err
		}
		read += n
	}
	return status, c.body, nil
}

func kind(err error) string {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	}
	return err.Error()
}

// ticker wakes on time to some tens of microseconds; the runtime's own timers round up to milliseconds.
func ticker(interval time.Duration) (*os.File, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	every := unix.NsecToTimespec(interval.Nanoseconds())
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "timer"), nil
}

// pace sends each request's scheduled time, relative to the start, when it has come.
func (l *load) pace(due chan<- time.Duration) {
	defer close(due)
	timer, err := ticker(max(time.Duration(float64(time.Second)/l.rate), shortestTick))
	if err != nil {
		log.Fatalf("timerfd: %v", err)
	}
	defer timer.Close()
	expired := make([]byte, 8)
	for next := 0; ; {
		if _, err := timer.Read(expired); err != nil {
			log.Fatalf("timerfd: %v", err)
		}
		for now := time.Since(l.start); ; next++ {
			scheduled := time.Duration(float64(next) / l.rate * float64(time.Second))
			if scheduled >= l.length {
				return
			}
			if scheduled > now {
				break
			}
			select {
			case due <- scheduled:
			default:
				l.overflown.Add(1)
			}
		}
	}
}

type load struct {
	address           string
	requests          [][]byte
	connections, most int
	rate              float64
	warmup, length    time.Duration
	start             time.Time
	next              atomic.Int64
	overflown         atomic.Int64 // found no room in the queue
}

// request is the next of the mix, nil when `most` have been sent.
func (l *load) request() []byte {
	i := int(l.next.Add(1) - 1)
	if l.most > 0 && i >= l.most {
		return nil
	}
	return l.requests[i%len(l.requests)]
}

func (l *load) closed(seen *tally) {
	c := connection{address: l.address}
	for {
		sent := time.Since(l.start)
		if sent >= l.length {
			return
		}
		request := l.request()
		if request == nil {
			return
		}
		status, body, err := c.ask(request)
		done := time.Since(l.start)
		if status == 200 {
			seen.ok++
		}
		if done < l.warmup || done > l.length {
			continue
		}
		l.record(seen, status, body, err, done-sent)
	}
}

func (l *load) open(due <-chan time.Duration, seen *tally) {
	c := connection{address: l.address}
	for scheduled := range due {
		sent := time.Since(l.start)
		if sent > l.length+drainTimeout {
			seen.unsent++
			continue
		}
		status, body, err := c.ask(l.request())
		done := time.Since(l.start)
		if status == 200 {
			seen.ok++
		}
		if done < l.warmup {
			continue
		}
		seen.late.add(sent - scheduled)
		l.record(seen, status, body, err, done-scheduled)
	}
}

func (l *load) record(seen *tally, status int, body []byte, err error, latency time.Duration) {
	if err != nil {
		seen.errors[kind(err)]++
		return
	}
	seen.answered(status, body)
	seen.latency.add(latency)
	seen.longest = max(seen.longest, latency)
}

func (l *load) run() report {
	tallies := make([]*tally, l.connections)
	due := make(chan time.Duration, mostQueued)
	var group sync.WaitGroup
	l.start = time.Now()
	for i := range tallies {
		tallies[i] = newTally()
		group.Add(1)
		go func() {
			defer group.Done()
			if l.rate > 0 {
				l.open(due, tallies[i])
			} else {
				l.closed(tallies[i])
			}
		}()
	}
	if l.rate > 0 {
		go l.pace(due)
	}
	time.Sleep(time.Until(l.start.Add(l.warmup)))
	began, cpu := time.Now(), cpuSeconds()
	group.Wait()
	ended := time.Now()
	total := newTally()
	total.unsent = int(l.overflown.Load())
	for _, seen := range tallies {
		total.add(seen)
	}
	if l.rate == 0 && ended.After(l.start.Add(l.length)) {
		ended = l.start.Add(l.length) // later answers were not counted either
	}
	return newReport(total, began, ended, cpuSeconds()-cpu)
}

// hold opens connections, asks on each, waits, asks again; errors on the second round are of connections lost.
func (l *load) hold() report {
	connections := make([]connection, l.connections)
	for i := range connections {
		connections[i].address = l.address
	}
	round := func(total *tally) {
		var lock sync.Mutex
		var group sync.WaitGroup
		work := make(chan *connection)
		for range 64 {
			group.Add(1)
			go func() {
				defer group.Done()
				seen := newTally()
				for c := range work {
					wasOpen := c.conn != nil
					began := time.Now()
					status, body, err := c.ask(l.request())
					if err != nil && wasOpen {
						err = fmt.Errorf("lost while idle: %s", kind(err))
					}
					if status == 200 {
						seen.ok++
					}
					l.record(seen, status, body, err, time.Since(began))
				}
				lock.Lock()
				total.add(seen)
				lock.Unlock()
			}()
		}
		for i := range connections {
			work <- &connections[i]
		}
		close(work)
		group.Wait()
	}
	total, cpu := newTally(), cpuSeconds()
	round(total)
	heldFrom := time.Now()
	time.Sleep(l.length)
	heldUntil := time.Now()
	round(total)
	return newReport(total, heldFrom, heldUntil, cpuSeconds()-cpu)
}

type latencies struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// report is of the measured part: without the warm-up, or, of idle connections, while they were held.
type report struct {
	Requests     int            `json:"requests"`
	PerSecond    float64        `json:"requests_per_s"`
	LatencyMs    latencies      `json:"latency_ms"`
	LateP99Ms    float64        `json:"sent_late_p99_ms"`
	Statuses     map[string]int `json:"statuses"`
	Errors       map[string]int `json:"errors"`
	Cache        map[string]int `json:"cache"`
	Unsent       int            `json:"unsent"`
	OkWithWarmup int            `json:"ok_with_warmup"`
	BeganUnix    float64        `json:"began_unix_s"`
	EndedUnix    float64        `json:"ended_unix_s"`
	CPUSeconds   float64        `json:"generator_cpu_s"`
}

func newReport(t *tally, began, ended time.Time, cpu float64) report {
	return report{
		Requests:  t.requests,
		PerSecond: float64(t.requests) / ended.Sub(began).Seconds(),
		LatencyMs: latencies{
			t.latency.quantileMs(0.5), t.latency.quantileMs(0.9), t.latency.quantileMs(0.99),
			t.latency.quantileMs(0.999), float64(t.longest.Microseconds()) / 1000,
		},
		LateP99Ms:    t.late.quantileMs(0.99),
		Statuses:     t.statuses,
		Errors:       t.errors,
		Cache:        t.cache,
		Unsent:       t.unsent,
		OkWithWarmup: t.ok,
		BeganUnix:    float64(began.UnixMicro()) / 1e6,
		EndedUnix:    float64(ended.UnixMicro()) / 1e6,
		CPUSeconds:   cpu,
	}
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatalf("getrusage: %v", err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

type headerList []string

func (h *headerList) String() string         { return strings.Join(*h, ", ") }
func (h *headerList) Set(value string) error { *h = append(*h, value); return nil }

// readRequests makes a whole HTTP request of every line, a JSON body.
func readRequests(path string, target *url.URL, headers []string) ([][]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n", target.Path, target.Host)
	for _, header := range headers {
		head += header + "\r\n"
	}
	var requests [][]byte
	for _, body := range bytes.Split(bytes.TrimSpace(content), []byte{'\n'}) {
		requests = append(requests, fmt.Appendf(nil, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body))
	}
	return requests, nil
}

func main() {
	var headers headerList
	to := flag.String("url", "", "where to POST")
	bodies := flag.String("bodies", "", "file with a JSON body a line, asked in order, again from the top at its end")
	connections := flag.Int("connections", 64, "keep-alive connections")
	rate := flag.Float64("rate", 0, "requests a second on a schedule; 0: as fast as the connections are answered")
	seconds := flag.Float64("seconds", 5, "of measuring; with -hold, of lying idle")
	warmup := flag.Float64("warmup", 1, "seconds before, not counted")
	most := flag.Int("requests", 0, "end after so many (without -rate only)")
	hold := flag.Bool("hold", false, "open the connections, ask on each, let them lie, ask again")
	flag.Var(&headers, "header", "'Name: value', repeatable")
	flag.Parse()
	runtime.GOMAXPROCS(1) // one core for the generator, one for the server

	target, err := url.Parse(*to)
	if err != nil || target.Host == "" {
		log.Fatalf("-url %q: give http://host:port/path", *to)
	}
	requests, err := readRequests(*bodies, target, headers)
	if err != nil {
		log.Fatal(err)
	}
	l := &load{
		address: target.Host, requests: requests, connections: *connections, most: *most, rate: *rate,
		warmup: time.Duration(*warmup * 1e9), length: time.Duration((*warmup + *seconds) * 1e9),
	}
	var result report
	if *hold {
		l.length = time.Duration(*seconds * 1e9)
		result = l.hold()
	} else {
		result = l.run()
	}
	json.NewEncoder(os.Stdout).Encode(result)
}

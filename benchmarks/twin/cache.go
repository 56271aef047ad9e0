package main

import (
	"container/list"
	"log"
	"strconv"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/valyala/fasthttp"
	"golang.org/x/crypto/blake2b"
)

const (
	l1Items     = 10_000
	l1Lifetime  = 5 * time.Minute
	l2Lifetime  = 24 * time.Hour
	l2Prefix    = "twin:output:"
	mostAtOnce  = 256
	limitBlock  = 1000
	limitPrefix = "twin:limit:"
)

type key [20]byte

func digestKey(parts []byte) (k key) {
	sum := blake2b.Sum256(parts)
	copy(k[:], sum[:])
	return k
}

// output is what answers a message again: `said` is the part of the JSON that no answer changes.
type output struct {
	id      uuid
	version string
	said    []byte
}

func (o *output) encode() []byte {
	encoded := append([]byte{byte(len(o.version))}, o.version...)
	return append(append(encoded, o.id[:]...), o.said...)
}

func decodeOutput(encoded []byte) *output {
	if len(encoded) < 17 || len(encoded) < 17+int(encoded[0]) {
		return nil
	}
	end := 1 + int(encoded[0])
	return &output{id: uuid(encoded[end : end+16]), version: string(encoded[1:end]), said: encoded[end+16:]}
}

type entry struct {
	key    key
	until  time.Time
	output *output
}

type flight struct {
	done   chan struct{}
	output *output
	level  string
	err    error
}

// cache is L1, the least recently used leaving, then L2, then one flight a key.
type cache struct {
	remote  *remote
	lock    sync.Mutex
	order   *list.List
	entries map[key]*list.Element
	flights map[key]*flight
}

func newCache(remote *remote) *cache {
	return &cache{
		remote: remote, order: list.New(), entries: map[key]*list.Element{}, flights: map[key]*flight{},
	}
}

func (c *cache) getOrMake(name key, make_ func() (*output, error)) (*output, string, error) {
	c.lock.Lock()
	if element, found := c.entries[name]; found {
		held := element.Value.(*entry)
		if time.Now().Before(held.until) {
			c.order.MoveToFront(element)
			c.lock.Unlock()
			return held.output, "l1", nil
		}
		c.order.Remove(element)
		delete(c.entries, name)
	}
	if flying, found := c.flights[name]; found {
		c.lock.Unlock()
		<-flying.done
		return flying.output, flying.level, flying.err
	}
	flying := &flight{done: make(chan struct{}), level: "l2"}
	c.flights[name] = flying
	c.lock.Unlock()
	if flying.output = c.remote.get(name); flying.output == nil {
		flying.level = "miss"
		if flying.output, flying.err = make_(); flying.err == nil {
			c.remote.set(name, flying.output)
		}
	}
	c.lock.Lock()
	if flying.err == nil {
		c.entries[name] = c.order.PushFront(&entry{name, time.Now().Add(l1Lifetime), flying.output})
		if c.order.Len() > l1Items {
			oldest := c.order.Remove(c.order.Back()).(*entry)
			delete(c.entries, oldest.key)
		}
	}
	delete(c.flights, name)
	c.lock.Unlock()
	close(flying.done)
	return flying.output, flying.level, flying.err
}

type read struct {
	name  key
	reply chan *output
}

type write struct {
	name   key
	output *output
}

// remote is Redis; whatever waits while one command is on its way goes with the next.
type remote struct {
	pool   *redis.Pool
	alone  bool // a GET a key, as a gateway in Go usually has it
	reads  chan read
	writes chan write
}

func newRemote(address string, alone bool) *remote {
	r := &remote{
		alone: alone,
		pool: &redis.Pool{MaxIdle: 64, Dial: func() (redis.Conn, error) {
			return redis.DialURL(address, redis.DialConnectTimeout(50*time.Millisecond),
				redis.DialReadTimeout(50*time.Millisecond), redis.DialWriteTimeout(50*time.Millisecond))
		}},
		reads:  make(chan read, 4096),
		writes: make(chan write, 4096),
	}
	for range 2 {
		go r.runReads()
	}
	go r.runWrites()
	return r
}

func (r *remote) get(name key) *output {
	if r.alone {
		conn := r.pool.Get()
		defer conn.Close()
		value, err := redis.Bytes(conn.Do("GET", l2Prefix+string(name[:])))
		if err != nil && err != redis.ErrNil {
			log.Printf("Redis: %v", err)
		}
		return decodeOutput(value)
	}
	reply := make(chan *output, 1)
	r.reads <- read{name, reply}
	return <-reply
}

// set stores in the background; when too much waits, it is left.
func (r *remote) set(name key, o *output) {
	select {
	case r.writes <- write{name, o}:
	default:
	}
}

func batch[T any](first T, more <-chan T) []T {
	all := []T{first}
	for len(all) < mostAtOnce {
		select {
		case next := <-more:
			all = append(all, next)
		default:
			return all
		}
	}
	return all
}

func (r *remote) runReads() {
	for first := range r.reads {
		asked := batch(first, r.reads)
		names := make([]any, len(asked))
		for i, one := range asked {
			names[i] = l2Prefix + string(one.name[:])
		}
		conn := r.pool.Get()
		values, err := redis.ByteSlices(conn.Do("MGET", names...))
		conn.Close()
		if err != nil {
			log.Printf("Redis: %v", err)
			values = make([][]byte, len(asked))
		}
		for i, one := range asked {
			one.reply <- decodeOutput(values[i])
		}
	}
}

func (r *remote) runWrites() {
	for first := range r.writes {
		told := batch(first, r.writes)
		conn := r.pool.Get()
		for _, one := range told {
			conn.Send("SET", l2Prefix+string(one.name[:]), one.output.encode(), "EX", int(l2Lifetime.Seconds()))
		}
		if _, err := conn.Do(""); err != nil {
			log.Printf("Redis: %v", err)
		}
		conn.Close()
	}
}

// limit takes requests from a block leased from Redis, of what an organisation has in this second.
type limit struct {
	pool *redis.Pool
	rate int64

	lock   sync.Mutex
	left   int64
	second int64
}

func (l *limit) take(organisation uuid) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	second := time.Now().Unix()
	if l.left > 0 && l.second == second {
		l.left--
		return true
	}
	name := limitPrefix + string(organisation[:]) + strconv.FormatInt(second, 10)
	conn := l.pool.Get()
	defer conn.Close()
	conn.Send("INCRBY", name, limitBlock)
	conn.Send("EXPIRE", name, 2)
	replies, err := redis.Int64s(conn.Do(""))
	if err != nil {
		log.Printf("Redis: %v", err)
		return true
	}
	l.second, l.left = second, min(limitBlock, l.rate-replies[0]+limitBlock)
	if l.left <= 0 {
		return false
	}
	l.left--
	return true
}

func (l *limit) headers(header *fasthttp.ResponseHeader) {
	l.lock.Lock()
	left := l.left
	l.lock.Unlock()
	header.Set("RateLimit-Policy", `"scale";q=`+strconv.FormatInt(l.rate, 10)+`;w=1`)
	header.Set("RateLimit", `"scale";r=`+strconv.FormatInt(left, 10)+`;t=1`)
}

// The gateway's transform endpoint once more, in Go on fasthttp: what is left when the language is fast.
//
// The same list a request: API key -> leased limit -> typed decode -> person and arm -> L1 -> L2 -> one flight ->
// service -> output row -> answer with a fresh id and a signed receipt -> answer row -> counters. One core.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"
	"golang.org/x/text/unicode/norm"
)

const (
	mostCharacters  = 8000
	mostBytes       = 128 << 10
	mostPeople      = 50_000
	upstreamTimeout = 20 * time.Second
)

var transformTypes = map[string]bool{
	"soften": true, "clarify": true, "structure": true, "summarize": true, "terminology": true,
	"requirements": true, "background": true,
}

type gateway struct {
	directory *directory
	limit     *limit
	cache     *cache
	outputs   *outputWriter
	answers   *answerWriter
	upstream  *fasthttp.HostClient
	signer    *signer
	telemetry telemetry
	parsers   fastjson.ParserPool

	lock   sync.Mutex
	people map[string]*person
}

type asked struct {
	text, transformType, userID []byte // into the parser's memory
	intensity                   int
}

var errInvalid = errors.New("invalid")

// understand is a typed decode: every field of its type, within its bounds, and no others.
func understand(body *fastjson.Value) (a asked, err error) {
	object, err := body.Object()
	if err != nil {
		return a, errInvalid
	}
	a.intensity = -1
	object.Visit(func(name []byte, value *fastjson.Value) {
		var wrong error
		switch string(name) {
		case "text":
			a.text, wrong = value.StringBytes()
		case "transform_type":
			a.transformType, wrong = value.StringBytes()
		case "intensity":
			a.intensity, wrong = value.Int()
		case "user_id":
			if value.Type() != fastjson.TypeNull {
				if a.userID, wrong = value.StringBytes(); len(a.userID) == 0 {
					wrong = errInvalid
				}
			}
		default:
			wrong = errInvalid
		}
		if wrong != nil {
			err = errInvalid
		}
	})
	if err != nil || !within(a.text, mostCharacters) || !transformTypes[string(a.transformType)] ||
		a.intensity < 0 || a.intensity > 3 || (a.userID != nil && !within(a.userID, 200)) {
		return a, errInvalid
	}
	return a, nil
}

// within: some visible character, no NUL, and not too long.
func within(text []byte, most int) bool {
	visible := false
	for _, c := range text {
		if c == 0 {
			return false
		}
		visible = visible || (c != ' ' && (c < '\t' || c > '\r'))
	}
	return visible && (len(text) <= most || utf8.RuneCount(text) <= most)
}

// person is the user of a name that the key gives, in the arm of the routing in force.
func (g *gateway) person(caller *identity, name []byte, routing *routing) *person {
	key := make([]byte, 0, 256)
	key = append(append(append(key, caller.keyID...), 0), name...)
	g.lock.Lock()
	defer g.lock.Unlock()
	known := g.people[string(key)]
	if known != nil && known.arm.epoch == routing.epoch {
		return known
	}
	if known == nil {
		if len(g.people) >= mostPeople {
			clear(g.people)
		}
		known = newPerson(caller, string(name), key)
	} else {
		again := *known
		known = &again
	}
	known.arm = routing.place(known.id)
	g.people[string(key)] = known
	return known
}

// transform answers, and says where the output was found; "" when it refused.
func (g *gateway) transform(ctx *fasthttp.RequestCtx) string {
	began := time.Now()
	caller, err := g.directory.identify(ctx.Request.Header.Peek("X-API-Key"))
	if err != nil {
		return refuse(ctx, fasthttp.StatusUnauthorized)
	}
	if !g.limit.take(caller.organisation) {
		ctx.Response.Header.Set("Retry-After", "1")
		return refuse(ctx, fasthttp.StatusTooManyRequests)
	}
	parser := g.parsers.Get()
	defer g.parsers.Put(parser)
	body, err := parser.ParseBytes(ctx.PostBody())
	if err != nil || string(ctx.Request.Header.ContentType()) != "application/json" {
		return refuse(ctx, fasthttp.StatusUnprocessableEntity)
	}
	message, err := understand(body)
	if err != nil {
		return refuse(ctx, fasthttp.StatusUnprocessableEntity)
	}
	routing := g.directory.routing.Load()
	if routing == nil || g.answers.isFull() {
		ctx.Response.Header.Set("Retry-After", "1")
		return refuse(ctx, fasthttp.StatusServiceUnavailable)
	}
	who := g.person(caller, message.userID, routing)
	var upstreamTime time.Duration
	output, level, err := g.cache.getOrMake(nameOutput(caller.organisation, who.arm.digest, message), func() (made *output, err error) {
		made, upstreamTime, err = g.make(caller, who.arm, message)
		return made, err
	})
	if err != nil {
		log.Printf("a miss failed: %v", err)
		ctx.Response.Header.Set("Retry-After", "1")
		return refuse(ctx, fasthttp.StatusServiceUnavailable)
	}
	id, now := newID(), time.Now()
	total := now.Sub(began)
	g.answers.add(answer{id, output.id, who, level, float64(total.Microseconds()) / 1000})

	said := make([]byte, 0, 1024)
	said = appendUUID(append(said, `{"answer_id":"`...), id)
	said = g.signer.appendReceipt(append(said, `","receipt":"`...), output, who, now)
	said = strconv.AppendQuote(append(said, `","variant":`...), who.arm.name)
	said = append(append(append(said, ','), output.said...), `,"cache":"`...)
	said = append(append(said, level...), `","fallback":false}`...)
	ctx.SetBody(said)
	g.limit.headers(&ctx.Response.Header)
	timing := strconv.AppendFloat([]byte("gateway;dur="), float64((total-upstreamTime).Microseconds())/1000, 'f', 3, 64)
	if upstreamTime > 0 {
		timing = strconv.AppendFloat(append(timing, ", upstream;dur="...), float64(upstreamTime.Microseconds())/1000, 'f', 3, 64)
	}
	ctx.Response.Header.SetBytesV("Server-Timing", timing)
	if given := ctx.Request.Header.Peek("X-Request-Id"); len(given) > 0 && len(given) <= 64 {
		ctx.Response.Header.SetBytesV("X-Request-Id", given)
	} else {
		ctx.Response.Header.SetBytesV("X-Request-Id", appendUUID(nil, newID()))
	}
	return level
}

func refuse(ctx *fasthttp.RequestCtx, status int) string {
	ctx.SetStatusCode(status)
	ctx.SetBodyString(`{"title":"` + fasthttp.StatusMessage(status) + `"}`)
	return ""
}

// make has the service write a text, and commits the row before anybody sees it.
func (g *gateway) make(caller *identity, arm *arm, message asked) (*output, time.Duration, error) {
	began := time.Now()
	var arena fastjson.Arena
	items := arena.NewArray()
	item := arena.NewObject()
	item.Set("text", arena.NewStringBytes(message.text))
	item.Set("transform_type", arena.NewStringBytes(message.transformType))
	item.Set("intensity", arena.NewNumberInt(message.intensity))
	item.Set("seed", arena.NewNull())
	items.SetArrayItem(0, item)
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.Header.SetMethod(fasthttp.MethodPost)
	request.Header.SetContentType("application/json")
	request.SetRequestURI("http://" + g.upstream.Addr + "/rewrite")
	asking := append([]byte(`{"spec":`), arm.spec...)
	asking = items.MarshalTo(append(asking, `,"items":`...))
	request.SetBody(append(asking, '}'))
	if err := g.upstream.DoTimeout(request, response, upstreamTimeout); err != nil {
		return nil, 0, err
	}
	if response.StatusCode() != fasthttp.StatusOK {
		return nil, 0, fmt.Errorf("the service answered %d", response.StatusCode())
	}
	parser := g.parsers.Get()
	defer g.parsers.Put(parser)
	reply, err := parser.ParseBytes(response.Body())
	if err != nil {
		return nil, 0, err
	}
	rewritten := reply.Get("items", "0")
	text, version := rewritten.GetStringBytes("text"), string(reply.GetStringBytes("version"))
	if text == nil || version != arm.version {
		return nil, 0, errors.New("the service's reply is not a rewrite")
	}
	took := time.Since(began)
	missing := rewritten.Get("facts_missing").MarshalTo(nil)
	said := rewritten.Get("text").MarshalTo([]byte(`"transformed_text":`))
	said = append(append(said, `,"facts_missing":`...), missing...)
	said = reply.Get("version").MarshalTo(append(said, `,"version":`...))
	made := &output{id: newID(), version: version, said: said}
	row := beginRow(nil, 10)
	row = appendField(row, made.id[:])
	row = appendField(row, caller.organisation[:])
	row = appendField(row, message.text)
	row = appendField(row, message.transformType)
	row = appendField(row, binary.BigEndian.AppendUint16(nil, uint16(message.intensity)))
	row = appendField(row, text)
	row = appendField(row, append([]byte{1}, missing...)) // jsonb, version 1
	row = appendField(row, []byte(arm.digest))
	row = appendField(row, []byte(version))
	row = appendField(row, float64Bytes(float64(took.Microseconds())/1000))
	return made, took, g.outputs.store(row)
}

// nameOutput is blake2b over length-prefixed parts, the text in NFC.
func nameOutput(organisation uuid, digest string, message asked) key {
	text := message.text
	if !norm.NFC.IsNormal(text) {
		text = norm.NFC.Bytes(text)
	}
	parts := make([]byte, 0, 1024)
	for _, part := range [][]byte{
		organisation[:], []byte(digest), nil, message.transformType, {byte('0' + message.intensity)}, text,
	} {
		parts = append(binary.BigEndian.AppendUint32(parts, uint32(len(part))), part...)
	}
	return digestKey(parts)
}

// telemetry counts in the buckets that the gateway has.
type telemetry struct {
	l1, l2, miss, refused histogram
}

type histogram struct {
	buckets [19]atomic.Uint64
	sumUs   atomic.Uint64
}

var bucketsUs = [18]int64{
	50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
	5_000_000, 10_000_000, 30_000_000,
}

func (h *histogram) observe(took time.Duration) {
	us, i := took.Microseconds(), 0
	for i < len(bucketsUs) && us > bucketsUs[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sumUs.Add(uint64(us))
}

func (t *telemetry) observe(level string, took time.Duration) {
	switch level {
	case "l1":
		t.l1.observe(took)
	case "l2":
		t.l2.observe(took)
	case "miss":
		t.miss.observe(took)
	default:
		t.refused.observe(took)
	}
}

func (t *telemetry) write(ctx *fasthttp.RequestCtx) {
	for _, named := range []struct {
		level string
		*histogram
	}{{"l1", &t.l1}, {"l2", &t.l2}, {"miss", &t.miss}, {"refused", &t.refused}} {
		count := uint64(0)
		for i := range named.buckets {
			count += named.buckets[i].Load()
			if i < len(bucketsUs) {
				fmt.Fprintf(ctx, "twin_request_seconds_bucket{cache=%q,le=\"%g\"} %d\n", named.level, float64(bucketsUs[i])/1e6, count)
			}
		}
		fmt.Fprintf(ctx, "twin_request_seconds_count{cache=%q} %d\n", named.level, count)
		fmt.Fprintf(ctx, "twin_request_seconds_sum{cache=%q} %g\n", named.level, float64(named.sumUs.Load())/1e6)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	database := flag.String("database", "", "libpq URL of Postgres")
	redisAddress := flag.String("redis", "redis://127.0.0.1:6379", "URL of Redis")
	upstream := flag.String("upstream", "127.0.0.1:3000", "address of the inference service")
	secret := flag.String("receipt-secret", "", "signs receipts")
	rate := flag.Int64("rate", 100_000, "requests a second of an organisation")
	alone := flag.Bool("alone", false, "ask Redis for each key alone, not for all that wait at once")
	flag.Parse()
	runtime.GOMAXPROCS(1)

	remote := newRemote(*redisAddress, *alone)
	g := &gateway{
		directory: newDirectory(*database),
		limit:     &limit{pool: remote.pool, rate: *rate},
		cache:     newCache(remote),
		outputs:   newOutputWriter(*database),
		answers:   newAnswerWriter(*database),
		upstream:  &fasthttp.HostClient{Addr: *upstream, MaxConns: 4096},
		signer:    newSigner([]byte(*secret)),
		people:    map[string]*person{},
	}
	go g.directory.run(context.Background())
	server := &fasthttp.Server{
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		MaxRequestBodySize:    mostBytes,
		IdleTimeout:           75 * time.Second,
		Handler: func(ctx *fasthttp.RequestCtx) {
			began := time.Now()
			switch string(ctx.Path()) {
			case "/api/v1/transform":
				ctx.SetContentType("application/json")
				g.telemetry.observe(g.transform(ctx), time.Since(began))
			case "/livez":
			case "/metrics":
				g.telemetry.write(ctx)
			default:
				ctx.SetStatusCode(fasthttp.StatusNotFound)
			}
		},
	}
	log.Fatal(server.ListenAndServe(*listen))
}

// A stand-in for the inference service: every POST /rewrite, with one message or a hundred, takes 20 ms.
// It answers OpenAI's chat completions too, for peers that speak nothing else.
package main

import (
	"flag"
	"log"
	"runtime"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"
)

var parsers fastjson.ParserPool

func rewrite(ctx *fasthttp.RequestCtx, delay time.Duration) {
	parser := parsers.Get()
	defer parsers.Put(parser)
	asked, err := parser.ParseBytes(ctx.PostBody())
	if err != nil || asked.Get("spec", "version") == nil || len(asked.GetArray("items")) == 0 {
		ctx.Error(`{"error":"not a rewrite request"}`, fasthttp.StatusBadRequest)
		return
	}
	time.Sleep(delay)
	answer := []byte(`{"items":[`)
	for i, item := range asked.GetArray("items") {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = append(answer, `{"text":`...)
		answer = item.Get("text").MarshalTo(answer)
		answer = append(answer, `,"facts_missing":[],"tokens":32,"finished":true}`...)
	}
	answer = append(answer, `],"version":`...)
	answer = asked.Get("spec", "version").MarshalTo(answer)
	ctx.SetContentType("application/json")
	ctx.SetBody(append(answer, '}'))
}

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address")
	delay := flag.Duration("delay", 20*time.Millisecond, "of every rewrite")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	server := &fasthttp.Server{MaxRequestBodySize: 16 << 20, Handler: func(ctx *fasthttp.RequestCtx) {
		switch string(ctx.Path()) {
		case "/rewrite":
			rewrite(ctx, *delay)
		case "/v1/chat/completions":
			time.Sleep(*delay)
			ctx.SetContentType("application/json")
			ctx.SetBodyString(`{"id":"1","object":"chat.completion","created":1,"model":"stub","choices":[{"index":0,` +
				`"finish_reason":"stop","message":{"role":"assistant","content":"Could you please look at it?"}}],` +
				`"usage":{"prompt_tokens":32,"completion_tokens":8,"total_tokens":40}}`)
		case "/load", "/livez", "/readyz":
			ctx.SetContentType("application/json")
			ctx.SetBodyString("{}")
		default:
			ctx.Error(`{"error":"no such route"}`, fasthttp.StatusNotFound)
		}
	}}
	log.Fatal(server.ListenAndServe(*listen))
}

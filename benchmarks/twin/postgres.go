package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"log"
	"maps"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgconn"
	"golang.org/x/crypto/blake2b"
)

const (
	heartbeat     = 250 * time.Millisecond
	flushInterval = 200 * time.Millisecond
	mostWaiting   = 50_000
	mostKeys      = 10_000
)

type uuid [16]byte

// newID is a UUIDv7.
func newID() (id uuid) {
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|0x7000|uint64(rand.Uint32()&0x0fff))
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()&^(3<<62)|2<<62)
	return id
}

func appendUUID(to []byte, id uuid) []byte {
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			to = append(to, '-')
		}
		to = hex.AppendEncode(to, part)
	}
	return to
}

func parseUUID(text string) (id uuid) {
	if n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(text, "-", ""))); err != nil || n != 16 {
		log.Fatalf("not a UUID: %q", text)
	}
	return id
}

func connect(url string) *pgconn.PgConn {
	conn, err := pgconn.Connect(context.Background(), url)
	if err != nil {
		log.Fatalf("Postgres: %v", err)
	}
	return conn
}

// must ends the process: a twin without its database measures nothing.
func must(err error) {
	if err != nil {
		log.Fatalf("Postgres: %v", err)
	}
}

type identity struct {
	organisation uuid
	keyID        string
	secretSHA256 []byte
}

type person struct {
	id           uuid
	organisation uuid
	keyID, name  string
	arm          *arm
}

func newPerson(caller *identity, name string, key []byte) *person {
	sum := blake2b.Sum256(key)
	p := &person{organisation: caller.organisation, keyID: caller.keyID, name: name, id: uuid(sum[:16])}
	p.id[6], p.id[8] = p.id[6]&0x0f|0x80, p.id[8]&0x3f|0x80 // version 8: an id of one's own making
	return p
}

type arm struct {
	name, digest, version string
	spec                  []byte
	weight                float64
	experiment            uuid // zero: none
	epoch                 int32
}

type routing struct {
	epoch    int32
	salt     string
	champion *arm
	arms     []*arm
}

// place is the gateway's assignment: blake2b-64 of "<salt>:<user>" on [0, 1), the arms in their order.
func (r *routing) place(user uuid) *arm {
	hashed, _ := blake2b.New(8, nil)
	hashed.Write(appendUUID([]byte(r.salt+":"), user))
	left := float64(binary.BigEndian.Uint64(hashed.Sum(nil))>>11) / (1 << 53)
	for _, a := range r.arms {
		if left < a.weight {
			return a
		}
		left -= a.weight
	}
	return r.champion
}

func newArm(name string, spec json.RawMessage, weight float64, experiment uuid, epoch int32) *arm {
	var named struct{ Version string }
	if err := json.Unmarshal(spec, &named); err != nil {
		log.Fatalf("spec: %v", err)
	}
	sum := blake2b.Sum256(spec)
	return &arm{name, hex.EncodeToString(sum[:16]), named.Version, spec, weight, experiment, epoch}
}

func parseRouting(epoch int32, content []byte) *routing {
	var read struct {
		Champion    json.RawMessage
		Experiments []struct {
			ID    string `json:"experiment_id"`
			Salt  string
			Epoch int32
			Arms  []struct {
				Name   string
				Weight float64
				Spec   json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(content, &read); err != nil {
		log.Fatalf("routing: %v", err)
	}
	r := &routing{epoch: epoch, champion: newArm("champion", read.Champion, 0, uuid{}, epoch)}
	for _, split := range read.Experiments { // the benchmark has one, with all users in it
		r.salt = split.Salt
		for _, a := range split.Arms {
			r.arms = append(r.arms, newArm(a.Name, a.Spec, a.Weight, parseUUID(split.ID), split.Epoch))
		}
	}
	return r
}

// directory knows the routing in force and the keys in use, renewed by a heartbeat.
type directory struct {
	routing  atomic.Pointer[routing]
	lock     sync.RWMutex
	verified map[string]*identity // by the whole key
	conn     *pgconn.PgConn
	connLock sync.Mutex
}

func newDirectory(url string) *directory {
	return &directory{verified: map[string]*identity{}, conn: connect(url)}
}

var errUnknownKey = errors.New("this API key is unknown or revoked")

func (d *directory) identify(shown []byte) (*identity, error) {
	d.lock.RLock()
	known := d.verified[string(shown)]
	d.lock.RUnlock()
	if known != nil {
		return known, nil
	}
	parts := strings.SplitN(string(shown), "_", 3)
	if len(parts) != 3 || parts[0] != "tb" {
		return nil, errUnknownKey
	}
	found := d.find(parts[1])
	sum := sha256.Sum256([]byte(parts[2]))
	if found == nil || subtle.ConstantTimeCompare(sum[:], found.secretSHA256) != 1 {
		return nil, errUnknownKey
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	if len(d.verified) >= mostKeys {
		clear(d.verified)
	}
	d.verified[string(shown)] = found
	return found, nil
}

func (d *directory) find(keyID string) *identity {
	rows := d.query("SELECT organisation_id::text, encode(secret_sha256, 'hex') FROM api_keys"+
		" WHERE id = $1 AND revoked_at IS NULL", []byte(keyID))
	if len(rows) == 0 {
		return nil
	}
	secret, _ := hex.DecodeString(string(rows[0][1]))
	return &identity{parseUUID(string(rows[0][0])), keyID, secret}
}

func (d *directory) query(sql string, parameters ...[]byte) [][][]byte {
	d.connLock.Lock()
	defer d.connLock.Unlock()
	result := d.conn.ExecParams(context.Background(), sql, parameters, nil, nil, nil).Read()
	must(result.Err)
	return result.Rows
}

func (d *directory) run(ctx context.Context) {
	for ctx.Err() == nil {
		rows := d.query("SELECT number::text, routing::text FROM epochs ORDER BY number DESC LIMIT 1")
		if len(rows) == 1 {
			epoch, err := strconv.ParseInt(string(rows[0][0]), 10, 32)
			must(err)
			if known := d.routing.Load(); known == nil || known.epoch != int32(epoch) {
				d.routing.Store(parseRouting(int32(epoch), rows[0][1]))
			}
		}
		d.lock.RLock()
		inUse := maps.Clone(d.verified)
		d.lock.RUnlock()
		for shown, known := range inUse {
			if d.find(known.keyID) == nil {
				d.lock.Lock()
				delete(d.verified, shown)
				d.lock.Unlock()
			}
		}
		time.Sleep(heartbeat)
	}
}

// signer makes receipts: keyed blake2b-128 over the fields that data/traffic/receipts.py has.
type signer struct{ hashes sync.Pool }

func newSigner(secret []byte) *signer {
	return &signer{sync.Pool{New: func() any {
		keyed, err := blake2b.New(16, secret)
		if err != nil {
			log.Fatalf("-receipt-secret: %v", err)
		}
		return keyed
	}}}
}

func (s *signer) appendReceipt(to []byte, o *output, who *person, now time.Time) []byte {
	var space [256]byte
	body := append(space[:16], 1) // the signature's place, and the format
	body = append(append(append(body, o.id[:]...), who.organisation[:]...), who.id[:]...)
	body = append(body, who.arm.experiment[:]...)
	body = append(body, make([]byte, 16)...) // no comparison
	body = binary.BigEndian.AppendUint32(body, uint32(who.arm.epoch))
	body = binary.BigEndian.AppendUint32(body, uint32(now.Unix()))
	body = append(append(body, byte(len(who.arm.name))), who.arm.name...)
	body = append(append(body, byte(len(o.version))), o.version...)
	keyed := s.hashes.Get().(hash.Hash)
	keyed.Reset()
	keyed.Write(body[16:])
	keyed.Sum(body[:0])
	s.hashes.Put(keyed)
	return base64.RawURLEncoding.AppendEncode(to, body)
}

// COPY's binary format (PostgreSQL, "COPY", "Binary Format").
var copyBegin = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

func beginRow(to []byte, columns uint16) []byte { return binary.BigEndian.AppendUint16(to, columns) }

func appendField(to, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(value))), value...)
}

func float64Bytes(value float64) []byte {
	return binary.BigEndian.AppendUint64(nil, math.Float64bits(value))
}

func copyRows(conn *pgconn.PgConn, sql string, rows []byte) {
	content := append(append(append([]byte{}, copyBegin...), rows...), 0xff, 0xff)
	_, err := conn.CopyFrom(context.Background(), bytes.NewReader(content), "COPY "+sql+" FROM STDIN (FORMAT BINARY)")
	must(err)
}

type newOutput struct {
	row  []byte
	done chan struct{}
}

// outputWriter commits outputs: those that come while one commits go with the next.
type outputWriter struct{ waiting chan newOutput }

func newOutputWriter(url string) *outputWriter {
	w := &outputWriter{make(chan newOutput, 4096)}
	conn := connect(url)
	go func() {
		for first := range w.waiting {
			together := batch(first, w.waiting)
			var rows []byte
			for _, one := range together {
				rows = append(rows, one.row...)
			}
			copyRows(conn, "outputs (id, organisation_id, message, transform_type, intensity, text, facts_missing,"+
				" spec_digest, version, upstream_ms)", rows)
			for _, one := range together {
				close(one.done)
			}
		}
	}()
	return w
}

func (w *outputWriter) store(row []byte) error {
	done := make(chan struct{})
	w.waiting <- newOutput{row, done}
	<-done
	return nil
}

type answer struct {
	id, output uuid
	who        *person
	level      string
	totalMs    float64
}

// answerWriter collects answers and writes them with their users, exposures and usage.
type answerWriter struct {
	lock    sync.Mutex
	waiting []answer
	conn    *pgconn.PgConn
	stored  map[uuid]int32 // the epoch of a person's last stored exposure
}

func newAnswerWriter(url string) *answerWriter {
	w := &answerWriter{conn: connect(url), stored: map[uuid]int32{}}
	go func() {
		for range time.Tick(flushInterval) {
			w.flush()
		}
	}()
	return w
}

func (w *answerWriter) isFull() bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	return len(w.waiting) >= mostWaiting
}

func (w *answerWriter) add(a answer) {
	w.lock.Lock()
	w.waiting = append(w.waiting, a)
	w.lock.Unlock()
}

func (w *answerWriter) flush() {
	w.lock.Lock()
	answers := w.waiting
	w.waiting = make([]answer, 0, len(answers))
	w.lock.Unlock()
	if len(answers) == 0 {
		return
	}
	var rows []byte
	var users, exposures []map[string]any
	used := map[uuid]int{}
	for _, a := range answers {
		who, arm := a.who, a.who.arm
		used[who.organisation]++
		if epoch, known := w.stored[who.id]; !known || epoch != arm.epoch {
			w.stored[who.id] = arm.epoch
			users = append(users, map[string]any{"id": text(who.id), "organisation_id": text(who.organisation),
				"key_id": who.keyID, "external_id": who.name})
			if arm.experiment != (uuid{}) {
				exposures = append(exposures, map[string]any{"experiment_id": text(arm.experiment),
					"user_id": text(who.id), "variant": arm.name, "epoch": arm.epoch,
					"organisation_id": text(who.organisation), "answer_id": text(a.id)})
			}
		}
		rows = beginRow(rows, 10)
		rows = appendField(rows, a.id[:])
		rows = appendField(rows, a.output[:])
		rows = appendField(rows, who.organisation[:])
		rows = appendField(rows, who.id[:])
		if arm.experiment != (uuid{}) {
			rows = appendField(rows, arm.experiment[:])
		} else {
			rows = append(rows, 0xff, 0xff, 0xff, 0xff)
		}
		rows = appendField(rows, []byte(arm.name))
		rows = appendField(rows, binary.BigEndian.AppendUint32(nil, uint32(arm.epoch)))
		rows = appendField(rows, []byte(a.level))
		rows = appendField(rows, []byte{0})
		rows = appendField(rows, float64Bytes(a.totalMs))
	}
	w.run("BEGIN")
	if len(users) > 0 {
		w.run("INSERT INTO users (id, organisation_id, key_id, external_id) SELECT * FROM json_to_recordset($1)"+
			" AS t(id uuid, organisation_id uuid, key_id text, external_id text) ON CONFLICT DO NOTHING", users)
	}
	if len(exposures) > 0 {
		w.run("INSERT INTO exposures (experiment_id, user_id, variant, epoch, organisation_id, answer_id, exposed_at)"+
			" SELECT t.*, uuid_extract_timestamp(answer_id) FROM json_to_recordset($1)"+
			" AS t(experiment_id uuid, user_id uuid, variant text, epoch int, organisation_id uuid, answer_id uuid)"+
			" ON CONFLICT DO NOTHING", exposures)
	}
	for organisation, n := range used {
		w.run("INSERT INTO usage (organisation_id, month, answers) SELECT (e->>'o')::uuid,"+
			" date_trunc('month', now() AT TIME ZONE 'UTC')::date, (e->>'n')::bigint FROM json_array_elements($1) e"+
			" ON CONFLICT (organisation_id, month) DO UPDATE SET answers = usage.answers + excluded.answers",
			[]map[string]any{{"o": text(organisation), "n": n}})
	}
	copyRows(w.conn, "answers (id, output_id, organisation_id, user_id, experiment_id, variant, epoch, cache, fell_back,"+
		" total_ms)", rows)
	w.run("COMMIT")
}

func (w *answerWriter) run(sql string, rows ...[]map[string]any) {
	var parameters [][]byte
	for _, some := range rows {
		encoded, err := json.Marshal(some)
		must(err)
		parameters = append(parameters, encoded)
	}
	must(w.conn.ExecParams(context.Background(), sql, parameters, nil, nil, nil).Read().Err)
}

func text(id uuid) string { return string(appendUUID(nil, id)) }

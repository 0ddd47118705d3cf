package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"unicode/utf8"

	"groupsyncd/internal/fault"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// A record is one byte with the version of its form, the payload, and a CRC-32C over
// bucket, key, version and payload. bbolt protects its two head pages only: without
// the sum a changed byte would be returned as data, and with bucket and key under it
// a value that turns up in another place is found too.
const (
	recordVersion  = 1
	recordOverhead = 1 + crc32.Size
)

// castagnoli is the polynomial for which processors have an instruction.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// spot is the path of a bucket and the sum with which the checksums of its records
// begin.
type spot struct {
	path string
	seed uint32
}

func at(path ...string) spot {
	name := place(path...)
	return spot{name, crc32.Checksum(append(binary.BigEndian.AppendUint32(nil, uint32(len(name))), name...), castagnoli())}
}

func (s spot) checksum(key, body []byte) uint32 {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(key)))
	table := castagnoli()
	sum := crc32.Update(s.seed, table, length[:])
	sum = crc32.Update(sum, table, key)
	return crc32.Update(sum, table, body)
}

// seal makes a record of a payload.
func (s spot) seal(key, payload []byte) []byte {
	record := make([]byte, 0, len(payload)+recordOverhead)
	record = append(record, recordVersion)
	record = append(record, payload...)
	return binary.BigEndian.AppendUint32(record, s.checksum(key, record))
}

// unseal checks a record and gives its payload, which lives as long as the value.
func (s spot) unseal(key, value []byte) ([]byte, error) {
	if len(value) < recordOverhead {
		return nil, s.bad(key, fmt.Errorf("it holds %d bytes, fewer than the smallest record", len(value)))
	}
	body, sum := value[:len(value)-crc32.Size], binary.BigEndian.Uint32(value[len(value)-crc32.Size:])
	if s.checksum(key, body) != sum {
		return nil, s.bad(key, errors.New("the checksum is wrong"))
	}
	if body[0] != recordVersion {
		return nil, s.bad(key, fmt.Errorf("its form has version %d, this program knows %d", body[0], recordVersion))
	}
	return body[1:], nil
}

// bad says that a record cannot be used, unless err says so already.
func (s spot) bad(key []byte, err error) error {
	if _, ok := errors.AsType[*recordError](err); ok {
		return err
	}
	return &recordError{s.path, bytes.Clone(key), err}
}

// recordError says which record cannot be used, and why.
type recordError struct {
	bucket string
	key    []byte
	err    error
}

func (e *recordError) Error() string {
	return "record " + keyText(e.key) + " in bucket " + e.bucket + ": " + e.err.Error()
}

func (e *recordError) Unwrap() error { return e.err }

// keyText writes a key for people.
func keyText(key []byte) string {
	switch {
	case len(key) == 4 && key[0] == 0:
		return strconv.FormatUint(uint64(binary.BigEndian.Uint32(key)), 10)
	case len(key) == 8 && key[0] == 0:
		return strconv.FormatUint(binary.BigEndian.Uint64(key), 10)
	case len(key) == 5 && key[1] == 0 && (key[0] == prefixUsers || key[0] == prefixGroup):
		return string(key[:1]) + strconv.FormatUint(uint64(binary.BigEndian.Uint32(key[1:])), 10)
	case utf8.Valid(key) && bytes.IndexByte(key, 0) < 0:
		return strconv.Quote(string(key))
	}
	return strconv.QuoteToASCII(string(key))
}

// box is a bucket with its path: the only way in which this package touches records.
type box struct {
	spot
	b *bbolt.Bucket
}

// find opens a bucket; nil when some part of the path does not exist.
func find(tx *bbolt.Tx, path ...string) *box {
	b := tx.Bucket([]byte(path[0]))
	for _, name := range path[1:] {
		if b == nil {
			return nil
		}
		b = b.Bucket([]byte(name))
	}
	if b == nil {
		return nil
	}
	return &box{at(path...), b}
}

// makeBox opens a bucket and makes what is missing of its path.
func makeBox(tx *bbolt.Tx, path ...string) (*box, error) {
	b, err := tx.CreateBucketIfNotExists([]byte(path[0]))
	for _, name := range path[1:] {
		if err != nil {
			break
		}
		b, err = b.CreateBucketIfNotExists([]byte(name))
	}
	if err != nil {
		return nil, fmt.Errorf("make bucket %s: %w", place(path...), err)
	}
	// Tables are written in order of their keys, so pages may be filled.
	b.FillPercent = 0.9
	return &box{at(path...), b}, nil
}

// get gives the payload of a record, nil when there is none. It lives as long as the
// transaction.
func (x *box) get(key []byte) ([]byte, error) {
	if x == nil {
		return nil, nil
	}
	value := x.b.Get(key)
	if value == nil {
		return nil, nil
	}
	return x.unseal(key, value)
}

// each calls fn for every record in order of the keys.
func (x *box) each(fn func(key, payload []byte) error) error {
	if x == nil {
		return nil
	}
	return x.b.ForEach(func(key, value []byte) error {
		if value == nil {
			return nil
		}
		payload, err := x.unseal(key, value)
		if err != nil {
			return err
		}
		if err := fn(key, payload); err != nil {
			return x.bad(key, err)
		}
		return nil
	})
}

// set writes a sealed record unless exactly these bytes are stored already.
func (x *box) set(key, sealed []byte) error {
	if bytes.Equal(x.b.Get(key), sealed) {
		return nil
	}
	if err := x.b.Put(key, sealed); err != nil {
		return tooLarge(fmt.Errorf("write record %s in bucket %s: %w", keyText(key), x.path, err))
	}
	return nil
}

// put seals and writes a payload.
func (x *box) put(key, payload []byte) error {
	return x.set(key, x.seal(key, payload))
}

// delete removes a record; one that does not exist is no error.
func (x *box) delete(key []byte) error {
	if err := x.b.Delete(key); err != nil {
		return fmt.Errorf("delete record %s in bucket %s: %w", keyText(key), x.path, err)
	}
	return nil
}

// putJSON writes a value as JSON.
func (x *box) putJSON(key []byte, v any) error {
	payload, err := toJSON(v)
	if err != nil {
		return err
	}
	return x.put(key, payload)
}

// getJSON reads a record into v and reports whether it exists.
func (x *box) getJSON(key []byte, v any) (bool, error) {
	payload, err := x.get(key)
	if payload == nil || err != nil {
		return false, err
	}
	if err := fromJSON(payload, v); err != nil {
		return false, x.bad(key, err)
	}
	return true, nil
}

// toJSON keeps <, > and & as they are: texts that are hashed must come back unchanged.
func toJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func fromJSON(payload []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(payload))
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode record: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode record: more than one value")
	}
	return nil
}

// tooLarge gives keys and values beyond bbolt's limits the kind of bad input.
func tooLarge(err error) error {
	for _, e := range []error{berrors.ErrKeyTooLarge, berrors.ErrValueTooLarge, berrors.ErrKeyRequired} {
		if errors.Is(err, e) {
			return fault.New(fault.Invalid, "save state", "", err, "")
		}
	}
	return err
}

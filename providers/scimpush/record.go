package scimpush

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The records of a store, by the first byte of their keys:
//
//	h            the head: generation, times, sizes
//	u ID         a user, as JSON
//	g ID         a group without its members, as JSON
//	m ID NUMBER  up to 256 members of a group; the number has eight hexadecimal digits
//	d ID         when a user, x ID when a group was deleted
const (
	keyHead       = "h"
	keyUser       = 'u'
	keyGroup      = 'g'
	keyChunk      = 'm'
	keyUserGone   = 'd'
	keyGroupGone  = 'x'
	chunkMembers  = 256
	keptDeletions = 30 * 24 * time.Hour
)

// head is what is known of the store as a whole.
type head struct {
	Generation int       `json:"generation"`
	Since      time.Time `json:"since"`
	Why        string    `json:"why,omitempty"`
	// Former is what the generation before held; zero for the first.
	Former counts `json:"former,omitzero"`
	// Settled is when what is held came to count as everything, By what.
	Settled time.Time `json:"settled,omitzero"`
	By      string    `json:"by,omitempty"`
	// Wrote is when the provider last wrote, Product what it calls itself.
	Wrote   time.Time `json:"wrote,omitzero"`
	Product string    `json:"product,omitempty"`
}

type counts struct {
	Users   int `json:"users"`
	Groups  int `json:"groups"`
	Members int `json:"members"`
}

// stored is a user or group as it is kept.
type stored struct {
	Version    int       `json:"version"`
	Generation int       `json:"generation"`
	Created    time.Time `json:"created"`
	Modified   time.Time `json:"modified"`
	Doc        document  `json:"doc"`
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode reads one JSON value; numbers stay as they are written.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decode: more than one value")
	}
	return nil
}

func userKey(id string) string  { return string(keyUser) + id }
func groupKey(id string) string { return string(keyGroup) + id }
func chunkKey(group string, n uint32) string {
	return fmt.Sprintf("%c%s%08x", keyChunk, group, n)
}

// splitChunk gives the group and the number of the key of a chunk, without its first byte.
func splitChunk(key string) (group string, n uint32, err error) {
	if len(key) < 8 {
		return "", 0, errors.New("the key of a chunk is too short")
	}
	b, err := hex.DecodeString(key[len(key)-8:])
	if err != nil {
		return "", 0, fmt.Errorf("the key of a chunk: %w", err)
	}
	return key[:len(key)-8], binary.BigEndian.Uint32(b), nil
}

// appendID writes an id: one of ours in 17 bytes, any other with its length.
func appendID(b []byte, id string) []byte {
	if raw, ok := packed(id); ok {
		return append(append(b, 0), raw[:]...)
	}
	b = append(b, 1)
	b = binary.AppendUvarint(b, uint64(len(id)))
	return append(b, id...)
}

// packed gives the bytes of an id in the form of a UUID, in lower case.
func packed(id string) (raw [16]byte, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' || strings.ToLower(id) != id {
		return raw, false
	}
	_, err := hex.Decode(raw[:], []byte(id[:8]+id[9:13]+id[14:18]+id[19:23]+id[24:]))
	return raw, err == nil
}

// unpacked is the other way round.
func unpacked(raw []byte) string {
	s := hex.EncodeToString(raw)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// readIDs calls each for every id of a chunk.
func readIDs(b []byte, each func(string)) error {
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch kind {
		case 0:
			if len(b) < 16 {
				return errors.New("a member is cut")
			}
			each(unpacked(b[:16]))
			b = b[16:]
		case 1:
			n, size := binary.Uvarint(b)
			if size <= 0 || n > uint64(len(b)-size) {
				return errors.New("a member is cut")
			}
			each(string(b[size : size+int(n)]))
			b = b[size+int(n):]
		default:
			return errors.New("a member has an unknown form")
		}
	}
	return nil
}

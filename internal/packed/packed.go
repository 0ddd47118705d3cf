// Package packed writes small records that somebody else keeps for us, such as the cursors of
// sources: packed, with their form and a checksum, so that one that was damaged, or is of
// another version, is not taken for one of ours.
//
// The checksum protects against damage and not against somebody who wants to deceive.
package packed

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// ErrDamaged says that a text is not a record of the form, or not all of it.
var ErrDamaged = errors.New("the cursor is damaged or of another version")

// Encode packs a record as JSON. form begins it; another form of the record gets another one.
func Encode(form string, record any) ([]byte, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	w, err := flate.NewWriter(&body, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body.Bytes())
	return slices.Concat([]byte(form), sum[:], body.Bytes()), nil
}

// Decode unpacks into record what Encode packed, at most so many bytes of JSON. Its only error
// is ErrDamaged.
func Decode(form string, raw []byte, most int64, record any) error {
	rest, ok := bytes.CutPrefix(raw, []byte(form))
	if !ok || len(rest) < sha256.Size {
		return ErrDamaged
	}
	body := rest[sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], rest[:sha256.Size]) {
		return ErrDamaged
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), most))
	if err != nil || json.Unmarshal(text, record) != nil {
		return ErrDamaged
	}
	return nil
}

package state

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"groupsyncd/sync/run"
)

// An audit record is its hash and then the event: one byte that says whether the rest is
// compressed, and each value that is not empty behind the number of its field. Number
// and place in the chain follow from the key and the record before. The hash is over the
// record's line of JSON, so this form may change without breaking the chain.
const auditHashSize = 32

// The numbers of the fields. Texts follow from fieldText on, in the order of auditTexts.
const (
	fieldAt = iota + 1
	fieldCount
	fieldKeys
	fieldValues
	fieldPrincipals // of the values before it, one for each
	fieldText       = 16
)

// auditTexts are the texts of an event. New ones are added at the end only.
func auditTexts(e *run.Event) []*string {
	return []*string{(*string)(&e.Kind), &e.Run, &e.Target, &e.By, &e.Reason, (*string)(&e.Op), &e.Group, &e.GroupName, &e.User, &e.UserName,
		&e.Rule, &e.Absence, (*string)(&e.Outcome), &e.Error, (*string)(&e.Check), &e.Scope, &e.Hash, &e.Detail, &e.Resource}
}

// encodeAudit sets the hash of a record and writes it.
func encodeAudit(w *writer, r *run.AuditRecord) error {
	e := &writer{}
	e.byte(fieldAt)
	e.time(r.Event.At)
	if r.Event.Count != 0 {
		e.byte(fieldCount)
		e.int(int64(r.Event.Count))
	}
	if len(r.Event.Keys) > 0 {
		e.byte(fieldKeys)
		e.uint(uint64(len(r.Event.Keys)))
		for _, key := range r.Event.Keys {
			e.id(key)
		}
	}
	if len(r.Event.Fields) > 0 {
		e.byte(fieldValues)
		e.uint(uint64(len(r.Event.Fields)))
		for _, f := range r.Event.Fields {
			e.string(f.Name)
			e.bytes(run.AppendValue(nil, f.From))
			e.bytes(run.AppendValue(nil, f.To))
		}
	}
	if slices.ContainsFunc(r.Event.Fields, func(f run.Field) bool { return f.Principal != "" }) {
		e.byte(fieldPrincipals)
		e.uint(uint64(len(r.Event.Fields)))
		for _, f := range r.Event.Fields {
			e.id(f.Principal)
		}
	}
	for i, text := range auditTexts(&r.Event) {
		if *text != "" {
			e.byte(fieldText + byte(i))
			e.id(*text)
		}
	}
	r.Hash = r.Sum()
	packed, err := pack(e.b)
	if err != nil {
		return err
	}
	hash, err := hex.DecodeString(r.Hash)
	if err != nil {
		return fmt.Errorf("encode audit record: %w", err)
	}
	w.b = append(append(w.b, hash...), packed...)
	return nil
}

// decodeAudit reads a record but for its number and what it follows.
func decodeAudit(payload []byte) (run.AuditRecord, error) {
	var rec run.AuditRecord
	hash, err := auditHash(payload)
	if err != nil {
		return rec, err
	}
	rec.Hash = hash
	plain, err := unpack(payload[auditHashSize:])
	if err != nil {
		return rec, err
	}
	r := newReader(plain)
	texts := auditTexts(&rec.Event)
	for r.pos < len(r.b) {
		switch field := r.byte(); {
		case field == fieldAt:
			rec.Event.At = r.time()
		case field == fieldCount:
			rec.Event.Count = int(r.int())
		case field == fieldKeys:
			rec.Event.Keys = r.ids(r.count(1))
		case field == fieldValues:
			for range r.count(3) {
				rec.Event.Fields = append(rec.Event.Fields, run.Field{Name: r.string(), From: r.value(), To: r.value()})
			}
		case field == fieldPrincipals:
			for i, id := range r.ids(r.count(1)) {
				if i < len(rec.Event.Fields) {
					rec.Event.Fields[i].Principal = id
				}
			}
		case field >= fieldText && int(field) < fieldText+len(texts):
			*texts[field-fieldText] = r.idString()
		default:
			r.fail(fmt.Errorf("the field %d is unknown", field))
		}
	}
	return rec, r.end()
}

// value reads a value that was stored as JSON.
func (r *reader) value() any {
	var v any
	if text := r.bytes(); r.err == nil {
		if err := json.Unmarshal(text, &v); err != nil {
			r.fail(fmt.Errorf("decode value: %w", err))
		}
	}
	return v
}

package config

import (
	"reflect"
	"strings"
)

// slot is a key of a block together with the value that it fills.
type slot struct {
	key   string
	words []string // the only values of a text, when given
	doc   string
	value reflect.Value
}

// slotsOf lists the keys of a struct in the order of its fields. v is a struct, and
// addressable where the keys are to be filled.
func slotsOf(v reflect.Value) []slot {
	var slots []slot
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		key, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "-" {
			continue
		}
		if rest == "inline" || f.Anonymous && key == "" {
			if inner := indirect(v.Field(i)); inner.Kind() == reflect.Struct {
				slots = append(slots, slotsOf(inner)...)
			}
			continue
		}
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		slots = append(slots, slot{
			key: key, words: strings.Fields(f.Tag.Get("words")),
			doc: f.Tag.Get("doc"), value: v.Field(i),
		})
	}
	return slots
}

// indirect follows a pointer that points somewhere.
func indirect(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v
}

// slotsOfSource lists the common keys of a source and then those of its kind. A kind
// cannot give a common key another meaning.
func slotsOfSource(s *Source) []slot {
	slots := slotsOf(reflect.ValueOf(s).Elem())
	if s.Config == nil {
		return slots
	}
	own := indirect(reflect.ValueOf(s.Config))
	if own.Kind() != reflect.Struct {
		return slots
	}
	for _, extra := range slotsOf(own) {
		if findSlot(slots, extra.key) == nil {
			slots = append(slots, extra)
		}
	}
	return slots
}

func findSlot(slots []slot, key string) *slot {
	for i := range slots {
		if slots[i].key == key {
			return &slots[i]
		}
	}
	return nil
}

func keysOf(slots []slot) []string {
	keys := make([]string, 0, len(slots))
	for _, s := range slots {
		keys = append(keys, s.key)
	}
	return keys
}

// blocksWith lists the blocks beside which a key was written and into which it may
// belong: those that know it.
func blocksWith(slots []slot, key string) []string {
	var blocks []string
	for _, s := range slots {
		t := s.value.Type()
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		if findSlot(slotsOf(reflect.New(t).Elem()), key) != nil {
			blocks = append(blocks, quote(s.key))
		}
	}
	return blocks
}

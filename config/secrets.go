package config

import (
	"cmp"
	"reflect"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
)

// CheckSecrets reads every secret once and reports those that cannot be read, at the
// places where they are named. What was read is dropped.
func (c *Config) CheckSecrets() Problems {
	var problems Problems
	visit(c, func(p path, v reflect.Value) {
		ref, ok := reflect.TypeAssert[secret.Ref](v)
		if !ok || ref.IsZero() || p[0] == "server" || p[0] == "webhooks" { // what opens us is read below
			return
		}
		if _, err := ref.Read(); err != nil {
			at := c.at.find(p)
			problems = append(problems, Problem{
				File: c.file, Line: at.line, Column: at.column,
				Message: p.String() + ": " + err.Error(),
				Hint:    cmp.Or(fault.HintOf(err), "name another place for it") + "; groupsyncd config validate --no-secrets checks the rest without it",
			})
		}
	})
	return append(append(problems, c.CheckTokens()...), c.CheckPublic()...).sorted()
}

// SecretFiles names the files that hold secrets, sorted.
func (c *Config) SecretFiles() []string {
	var files []string
	visit(c, func(_ path, v reflect.Value) {
		if ref, ok := reflect.TypeAssert[secret.Ref](v); ok && ref.Place() != "" {
			files = append(files, ref.Place())
		}
	})
	slices.Sort(files)
	return slices.Compact(files)
}

// bind tells relative secrets and files which folder they belong to.
func bind(c *Config, dir string) {
	visit(c, func(_ path, v reflect.Value) {
		switch x := v.Interface().(type) {
		case secret.Ref:
			v.Set(reflect.ValueOf(x.In(dir)))
		case scalar.Path:
			v.Set(reflect.ValueOf(x.In(dir)))
		}
	})
}

// visit calls do for every secret and every file name of a configuration.
func visit(c *Config, do func(path, reflect.Value)) {
	walk(reflect.ValueOf(c).Elem(), nil, do)
	for _, s := range c.Sources {
		if s.Config != nil {
			walk(indirect(reflect.ValueOf(s.Config)), path{"sources", s.Name}, do)
		}
	}
}

// walk goes through the exported parts of an addressable value.
func walk(v reflect.Value, p path, do func(path, reflect.Value)) {
	switch v.Type() {
	case reflect.TypeFor[secret.Ref](), reflect.TypeFor[scalar.Path]():
		do(p, v)
		return
	case reflect.TypeFor[*Source](), reflect.TypeFor[*Target](), reflect.TypeFor[*Webhook]():
		p = p[:len(p)-1].child(v.Elem().FieldByName("Name").String())
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), p, do)
		}
	case reflect.Struct:
		for _, s := range slotsOf(v) {
			walk(s.value, p.child(s.key), do)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), p.index(i), do)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			element := reflect.New(v.Type().Elem()).Elem()
			element.Set(v.MapIndex(key))
			walk(element, p.child(key.String()), do)
			v.SetMapIndex(key, element)
		}
	}
}

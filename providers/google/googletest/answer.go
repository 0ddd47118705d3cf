package googletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

var errAssertion = errors.New("the assertion is not signed by the key")

// answer writes JSON.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // A client that has gone gets nothing.
}

// Error gives the body of an error of the API.
func Error(status int, reason, message string) string {
	b, err := json.Marshal(errorBody(status, reason, message))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func errorBody(status int, reason, message string) map[string]any {
	return map[string]any{"error": map[string]any{"code": status, "message": message,
		"errors": []map[string]any{{"domain": "global", "reason": reason, "message": message}}}}
}

func refuse(w http.ResponseWriter, status int, reason, message string) {
	answer(w, status, errorBody(status, reason, message))
}

// mask is what the parameter fields leaves of an answer; an empty one leaves everything.
type mask map[string]mask

// parseMask reads the parameter: names with commas between them, a/b or a(b,c) for what is
// inside of a.
func parseMask(text string) (mask, error) {
	p := &maskParser{text: text}
	m, err := p.list()
	if err == nil && p.text != "" {
		err = fmt.Errorf("invalid field selection %q", p.text)
	}
	return m, err
}

type maskParser struct{ text string }

func (p *maskParser) list() (mask, error) {
	m := mask{}
	for {
		end := strings.IndexAny(p.text, ",/()")
		if end < 0 {
			end = len(p.text)
		}
		name := p.text[:end]
		p.text = p.text[end:]
		if name == "" {
			return nil, errors.New("invalid field selection")
		}
		inner := mask{}
		var err error
		switch {
		case strings.HasPrefix(p.text, "("):
			p.text = p.text[1:]
			inner, err = p.list()
			if err == nil && !strings.HasPrefix(p.text, ")") {
				err = errors.New("invalid field selection")
			}
			if err != nil {
				return nil, err
			}
			p.text = p.text[1:]
		case strings.HasPrefix(p.text, "/"):
			p.text = p.text[1:]
			end := strings.IndexAny(p.text+",", ",/()")
			inner[p.text[:end]] = mask{}
			p.text = p.text[end:]
		}
		m[name] = inner
		if !strings.HasPrefix(p.text, ",") {
			return m, nil
		}
		p.text = p.text[1:]
	}
}

// of leaves of a value what the mask names.
func (m mask) of(value any) any {
	if len(m) == 0 {
		return value
	}
	switch value := value.(type) {
	case []map[string]any:
		out := make([]any, len(value))
		for i := range value {
			out[i] = m.of(value[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(m))
		for name, inner := range m {
			if v, ok := value[name]; ok {
				out[name] = inner.of(v)
			}
		}
		return out
	}
	return value
}

// unknown gives a name that the mask has and the resource has not, or nothing.
func (m mask) unknown(names []string) string {
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	for n := range m {
		if !known[n] {
			return n
		}
	}
	return ""
}

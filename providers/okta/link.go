package okta

import "strings"

// next gives the address of the next page out of Link headers (RFC 8288), of which there may be
// several with several links each; empty where there is none.
func next(headers []string) string {
	for _, h := range headers {
		for h != "" {
			var to string
			var rels []string
			to, rels, h = link(h)
			for _, rel := range rels {
				if strings.EqualFold(rel, "next") {
					return to
				}
			}
		}
	}
	return ""
}

// link reads the first link of a header: where it leads, and what it is. rest begins with the
// link behind it.
func link(h string) (to string, rels []string, rest string) {
	_, h, _ = strings.Cut(h, "<")
	to, h, closed := strings.Cut(h, ">")
	if !closed {
		return "", nil, ""
	}
	for {
		h = strings.TrimLeft(h, " \t")
		if !strings.HasPrefix(h, ";") {
			break
		}
		var name, value string
		name, value, h = parameter(h[1:])
		if strings.EqualFold(name, "rel") && rels == nil {
			rels = strings.Fields(value)
		}
	}
	// What stands before the comma is no parameter, and so says nothing.
	_, rest, _ = strings.Cut(h, ",")
	return to, rels, rest
}

// parameter reads one parameter of a link.
func parameter(h string) (name, value, rest string) {
	end := strings.IndexAny(h, "=;,")
	if end < 0 {
		return strings.TrimSpace(h), "", ""
	}
	name = strings.TrimSpace(h[:end])
	if h[end] != '=' {
		return name, "", h[end:]
	}
	h = strings.TrimLeft(h[end+1:], " \t")
	if !strings.HasPrefix(h, `"`) {
		if end = strings.IndexAny(h, ";,"); end < 0 {
			return name, strings.TrimSpace(h), ""
		}
		return name, strings.TrimSpace(h[:end]), h[end:]
	}
	var text strings.Builder
	for i := 1; i < len(h); i++ {
		switch {
		case h[i] == '"':
			return name, text.String(), h[i+1:]
		case h[i] == '\\' && i+1 < len(h):
			i++
		}
		text.WriteByte(h[i])
	}
	return name, text.String(), ""
}

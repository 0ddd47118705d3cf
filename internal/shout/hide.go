package shout

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
)

// hider takes what an address holds out of foreign texts. Services build addresses of
// their own out of its parts, so that each part is looked for by itself.
type hider struct{ parts []secret.Value }

// shortest is the length from which a part of an address is hidden: shorter ones are
// words and numbers that stand in any text.
const shortest = 4

var (
	words = regexp.MustCompile(`[\pL\pN_]+`)
	// addresses are what errors of HTTP clients begin with, with everything in them.
	addresses = regexp.MustCompile(`(?i)\b(?:(?:get|post|put|patch|delete|head) )?"?[a-z][a-z0-9+.-]*://[^\s"]*"?:?`)
)

// common are parts of addresses that betray nothing, and that messages need.
func common(word string) bool {
	return slices.Contains([]string{"https", "http", "localhost", "generic", "webhook", "hooks", "services", "json", "true", "false", "plain", "smtp", "host",
		"none", "auto", "mail", "message", "messages", "text", "title", "post"}, strings.ToLower(word))
}

// hosted says that the host of an address is one: with others it is a part of the token.
// Whoever reads that a name leads nowhere has to see the name.
func hosted(kind string) bool {
	return slices.Contains([]string{"bark", "generic", "gotify", "lark", "matrix", "mattermost", "ntfy", "rocketchat", "signal", "smtp", "zulip"}, kind)
}

func hiderOf(kind, text string, u *url.URL) hider {
	var parts []string
	add := func(values ...string) {
		for _, v := range values {
			parts = append(parts, v)
			if plain, err := url.PathUnescape(v); err == nil {
				parts = append(parts, plain, url.QueryEscape(plain), url.PathEscape(plain))
			}
			if plain, err := url.QueryUnescape(v); err == nil {
				parts = append(parts, plain)
			}
		}
	}
	parts = append(parts, text)
	add(u.Opaque, u.EscapedPath(), u.Fragment, u.RawQuery)
	add(strings.Split(u.EscapedPath(), "/")...)
	if u.User != nil {
		password, _ := u.User.Password()
		add(u.User.Username(), password, u.User.String())
		pair := u.User.Username() + ":" + password
		add(base64.StdEncoding.EncodeToString([]byte(pair)), base64.StdEncoding.EncodeToString([]byte("\x00"+u.User.Username()+"\x00"+password)))
	}
	for _, values := range u.Query() {
		add(values...)
	}
	if !hosted(kind) {
		add(u.Hostname())
	}
	for _, p := range slices.Clone(parts[1:]) {
		parts = append(parts, words.FindAllString(p, -1)...)
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return len(p) < shortest || common(p) })
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	h := hider{}
	seen := map[string]bool{}
	for _, p := range parts {
		if !seen[p] {
			seen[p] = true
			h.parts = append(h.parts, secret.New(p))
		}
	}
	return h
}

// error gives what an error says in one line that is fit to be read, without the address.
func (h hider) error(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok && u.Err != nil {
		return h.text(u.Err.Error())
	}
	return h.text(err.Error())
}

func (h hider) text(text string) string {
	text = addresses.ReplaceAllString(text, "")
	for _, p := range h.parts {
		text = p.Hide(text)
	}
	return strings.Trim(httpx.Shorten(repeated.ReplaceAllString(text, "[secret]"), 300), " :")
}

var repeated = regexp.MustCompile(`\[secret\](?:\W{0,3}\[secret\])+`)

var status = regexp.MustCompile(`\b([45]\d\d)\b`)

// judge says what kind of failure that was, and what to do about it.
func judge(ctx context.Context, err error) (fault.Kind, string) {
	const reach = "is the service running, and can this machine reach it? The standard proxy variables are honoured"
	switch {
	case errors.Is(err, context.Canceled) || ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.Canceled, ""
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Unavailable, reach
	}
	if strings.Contains(err.Error(), "certificate signed by unknown authority") {
		return fault.Invalid, "add the certificate of its authority to those of the system, or name the file with it by the variable SSL_CERT_FILE: docs/notices.md"
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		kind, h := httpx.Network(err, &url.URL{})
		if h == "" || strings.HasSuffix(h, "://") {
			h = reach
		}
		return kind, h
	}
	if strings.Contains(err.Error(), "an address that is not of the public Internet") {
		return fault.Invalid, "that address is never called; write the address of the service"
	}
	switch code := status.FindString(err.Error()); {
	case code == "401" || code == "403":
		return fault.Auth, "the service refuses the token or password in the address: make a new one, and put it into the file"
	case code == "404" || code == "410":
		return fault.NotFound, "the service knows no such address: was the webhook or channel deleted? Make a new one, and put it into the file"
	case code == "429":
		return fault.Throttled, "the service asks for fewer messages; they are put together and sent later"
	case strings.HasPrefix(code, "4"):
		return fault.Invalid, "the service refuses the message; compare the address with docs/notices.md"
	case strings.HasPrefix(code, "5"):
		return fault.Unavailable, "the service has a problem of its own; it is tried again"
	}
	for _, word := range []string{"refused", "no such host", "no route", "reset", "EOF", "timeout", "deadline", "unreachable"} {
		if strings.Contains(err.Error(), word) {
			return fault.Unavailable, reach
		}
	}
	return fault.Unavailable, "compare the address with docs/notices.md"
}

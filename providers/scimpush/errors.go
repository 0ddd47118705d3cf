package scimpush

import (
	"errors"
	"fmt"
	"net/http"
)

// refusal is an answer that is not a success (RFC 7644, section 3.12). Its text holds nothing
// but what was asked.
type refusal struct {
	status int
	// kind is the scimType, empty where the standard has none.
	kind   string
	detail string
}

func (r *refusal) Error() string { return r.detail }

func refuse(status int, kind, format string, args ...any) *refusal {
	return &refusal{status, kind, fmt.Sprintf(format, args...)}
}

func badValue(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "invalidValue", format, args...)
}

func notFound(id string) *refusal {
	return refuse(http.StatusNotFound, "", "there is no resource %q", brief(id))
}

// brief bounds what is repeated of a request.
func brief(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// body gives the answer as SCIM wants it.
func (r *refusal) body() document {
	out := document{"schemas": []string{errorMessage}, "status": fmt.Sprint(r.status), "detail": r.detail}
	if r.kind != "" {
		out["scimType"] = r.kind
	}
	return out
}

// refusalOf gives an error as an answer. What is wrong with us is told in the log alone.
func refusalOf(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return refuse(http.StatusServiceUnavailable, "", "it could not be kept; try again later")
}

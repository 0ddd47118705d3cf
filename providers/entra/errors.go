package entra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/providers"
)

// pace slows down when Graph says that most of our units are spent, and stops for a window
// when it refuses without saying for how long.
func pace(status int, h http.Header, _ time.Time) (time.Duration, bool) {
	if status == http.StatusTooManyRequests {
		return throttled, h.Get("Retry-After") == ""
	}
	used, err := strconv.ParseFloat(h.Get("x-ms-throttle-limit-percentage"), 64)
	if err != nil || used < 0.8 {
		return 0, false
	}
	return min(time.Second+time.Duration((used-0.8)*float64(5*time.Second)), throttled), true
}

// aadsts finds the number by which Entra names why it gives no token.
var aadsts = regexp.MustCompile(`AADSTS(\d{4,7})`)

// hintOf gives what to do about an error of the token endpoint, by its number.
func hintOf(number string) string {
	switch number {
	case "7000215":
		return "the secret is not right: put the Value of a client secret into the file, not its Secret ID"
	case "7000222":
		return "the client secret has expired: make a new one under Certificates & secrets and put its Value into the file"
	case "700016", "70001":
		return "the tenant has no application with this client_id: compare it with Application (client) ID, and tenant with Directory (tenant) ID"
	case "90002":
		return "there is no such tenant: compare tenant with Directory (tenant) ID, and cloud with where the tenant is"
	case "7000112":
		return "the application is disabled: enable it under Enterprise applications, Properties"
	case "700027", "7000216", "7000214":
		return "the certificate is not one of the application: upload the file of certificate under Certificates & secrets, Certificates"
	case "700024":
		return "the times of the assertion are wrong: is the clock of this machine right?"
	case "700211", "700212", "700213", "70021":
		return "no federated credential of the application fits the token: compare its issuer, subject and audience under Certificates & secrets, Federated credentials"
	case "700016001", "500011":
		return "the tenant does not know Microsoft Graph at this address: compare cloud, and url where it is set"
	case "53003":
		return "a Conditional Access policy for workload identities blocks us: add the address of this machine to its named locations"
	}
	return ""
}

// explain adds to an error what a person can do about it. need is the permission that the
// request needs, empty where several do.
func (s *source) explain(err error, need permission) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || errors.Is(err, providers.ErrFullRead) {
		return err
	}
	hint := ""
	if m := aadsts.FindStringSubmatch(f.Error()); m != nil {
		hint = hintOf(m[1])
	}
	if e, ok := errors.AsType[*httpx.StatusError](err); ok && hint == "" && f.Kind == fault.Auth && need != "" {
		switch e.Status {
		case http.StatusForbidden:
			hint = fmt.Sprintf("grant the application the permission %s (Microsoft Graph, application permissions) and give admin consent: docs/providers/entra.md", need)
		case http.StatusUnauthorized:
			hint = "Graph refuses a token that the tenant issued: is url of the same cloud as login_url, and the clock right?"
		}
	}
	if hint == "" {
		return err
	}
	told := *f
	told.Hint = hint
	return &told
}

// stale reports whether Graph forgot, or does not want to go on with, what it gave us to go
// on with.
func stale(err error) bool {
	e, ok := errors.AsType[*httpx.StatusError](err)
	if !ok {
		return false
	}
	switch e.Code {
	case "syncStateNotFound", "syncStateInvalid", "resyncRequired", "resyncChangesApplyDifferences", "resyncChangesUploadDifferences",
		"Directory_ExpiredPageToken", "Directory_InvalidPageToken", "Directory_ResyncRequired", "Request_ExpiredPageToken", "DirectoryExpiredPageToken":
		return true
	}
	return e.Status == http.StatusGone
}

// needFull says why changes cannot be told.
func needFull(format string, args ...any) error {
	return fmt.Errorf("%w: %s", providers.ErrFullRead, fmt.Errorf(format, args...).Error())
}

// doubt tells a failure from an answer that leaves a doubt: the latter is left to a full
// read, which says better what is wrong.
func (s *source) doubt(ctx context.Context, err error) error {
	if errors.Is(err, providers.ErrFullRead) {
		return err
	}
	switch kind := fault.KindOf(err); {
	case ctx.Err() != nil, kind == fault.Auth, kind == fault.Throttled, kind == fault.Unavailable, kind == fault.Canceled:
		return s.explain(err, "")
	}
	return needFull("%w", err)
}

// incomplete makes the error of an answer that proves less than it should.
func (r *reading) incomplete(op, hint, format string, args ...any) error {
	return fault.New(fault.Incomplete, op, cmp.Or("source "+r.name, ""), fmt.Errorf(format, args...), hint)
}

package google

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
)

// said gives the status and the word of an answer that was no success.
func said(err error) (status int, code string) {
	if e, ok := errors.AsType[*httpx.StatusError](err); ok {
		return e.Status, e.Code
	}
	return 0, ""
}

// ours reports whether an error is about us and not about what was asked for: the next
// request will fail like this one.
func ours(err error) bool {
	status, code := said(err)
	switch fault.KindOf(err) {
	case fault.Canceled:
		return true
	case fault.Auth:
		return status != http.StatusForbidden || slices.Contains([]string{"insufficientPermissions", "accessNotConfigured", "dailyLimitExceeded", "dailyLimitExceededUnreg", "domainCannotUseApis"}, code)
	}
	return false
}

// refused reports whether we may not see this one thing, or whether it does not exist: Google
// says the one or the other of what belongs to other customers.
func refused(err error) bool {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return true
	case fault.Auth:
		status, code := said(err)
		return status == http.StatusForbidden && (code == "domainCannotUseApis" || !ours(err))
	}
	return false
}

// explained adds to an error what a person can do about it.
func (s *source) explained(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	if hint := s.hint(err); hint != "" {
		e.Hint = hint
	}
	return err
}

const (
	delegation = "Admin console > Security > Access and data control > API controls > Manage domain-wide delegation"
	roles      = "Admin console > Account > Admin roles"
)

// hint says what to do about an error, where it is one that Google's console mends.
func (s *source) hint(err error) string {
	status, code := said(err)
	who := s.config.Subject
	if who == "" {
		who = "the service account"
	}
	switch {
	case status == 0 && strings.Contains(err.Error(), "unauthorized_client"):
		return delegation + " > Add new: the client id of the service account (client_id in the credentials), with the scopes " + strings.Join(scopes(), ",") + "; it takes some minutes to count"
	case status == 0 && strings.Contains(err.Error(), "invalid_grant"):
		return "is " + who + " an active account of this customer, does the key still exist below IAM & Admin > Service accounts > Keys in Google Cloud, and is the clock of this machine right?"
	case status == http.StatusUnauthorized, status == 0 && strings.Contains(err.Error(), "refuses the token"):
		return "was the key of the service account deleted, or " + who + " suspended?"
	case code == "accessNotConfigured":
		return "Google Cloud console > APIs & Services > Library > Admin SDK API > Enable, in the project of the service account; it takes some minutes to count"
	case code == "insufficientPermissions":
		return delegation + " > the client id of the service account > Edit: all of the scopes " + strings.Join(scopes(), ",")
	case strings.HasPrefix(code, "dailyLimitExceeded"):
		return "the quota of the day is used up: it begins anew at midnight Pacific time, or is raised below Google Cloud console > APIs & Services > Admin SDK API > Quotas"
	case code == "domainCannotUseApis":
		return "is customer or domain the one of " + who + "? a group of another customer cannot be read"
	case fault.KindOf(err) == fault.Throttled, strings.Contains(err.Error(), "waiting for our turn"):
		return "another program asks in the same name and project: give this source a service account in a project of its own, or raise the quota below Google Cloud console > APIs & Services > Admin SDK API > Quotas"
	case status == http.StatusForbidden:
		return "give " + who + " a role with the privileges Users > Read and Groups > Read: " + roles + " > Create new role > Admin API privileges, then Assign"
	case status == http.StatusNotFound && (code == "notFound" || code == "domainNotFound"):
		return "check customer and domain; with my_customer, " + who + " must be of the right organisation"
	case status == http.StatusBadRequest:
		return "check customer, domain and groups: Google does not understand one of them"
	}
	return ""
}

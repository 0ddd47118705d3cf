package httpx

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// said takes the server's own words out of an error body: the code by which the API names
// the error, and a text. The shapes are those of FastAPI and Django (detail), SCIM (RFC 7644,
// 3.12), OAuth (RFC 6749, 5.2), problem details (RFC 9457), Keycloak (errorMessage), Okta
// (errorSummary), Microsoft Graph and Google (an object under error).
func said(body []byte) (code, text string) {
	var e struct {
		Detail       json.RawMessage `json:"detail"`
		Title        words           `json:"title"`
		Message      words           `json:"message"`
		Code         words           `json:"code"`
		SCIMType     words           `json:"scimType"`
		Error        json.RawMessage `json:"error"`
		Description  words           `json:"error_description"`
		ErrorMessage words           `json:"errorMessage"`
		ErrorCode    words           `json:"errorCode"`
		Summary      words           `json:"errorSummary"`
		Causes       []struct {
			Summary words `json:"errorSummary"`
		} `json:"errorCauses"`
	}
	if !decoded(body[:min(len(body), 64<<10)], &e) {
		return "", ""
	}
	var word, detail words
	var inner vendor
	if !decoded(e.Error, &word) || word == "" {
		decoded(e.Error, &inner)
	}
	if !decoded(e.Detail, &detail) || detail == "" {
		detail = words(validation(e.Detail))
	}
	summary := e.Summary
	if len(e.Causes) > 0 && e.Causes[0].Summary != "" {
		summary += ": " + e.Causes[0].Summary
	}
	code = string(cmp.Or(e.SCIMType, e.ErrorCode, word, inner.word(), e.Code))
	text = string(cmp.Or(detail, e.Description, e.ErrorMessage, summary, inner.Message, e.Message, e.Title))
	return code, text
}

// vendor is what Microsoft Graph and Google say of an error.
type vendor struct {
	Code    words `json:"code"`
	Status  words `json:"status"`
	Message words `json:"message"`
	Errors  []struct {
		Reason words `json:"reason"`
	} `json:"errors"`
	Details []struct {
		Reason words `json:"reason"`
	} `json:"details"`
}

// word gives the most exact name of the error.
func (v *vendor) word() words {
	var reason, info words
	for _, e := range v.Errors {
		reason = cmp.Or(reason, e.Reason)
	}
	for _, d := range v.Details {
		info = cmp.Or(info, d.Reason)
	}
	return cmp.Or(reason, info, v.Code, v.Status)
}

// words is a text where there is one: an API that says something else there, such as a
// number, is not heard wrongly for it.
type words string

// UnmarshalJSON takes a text and leaves everything else.
func (w *words) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*w = words(text)
	}
	return nil
}

// decoded reads what can be read, and reports whether it was JSON.
func decoded(b []byte, into any) bool {
	err := json.Unmarshal(b, into)
	_, otherwise := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || otherwise
}

// validation writes the list in which FastAPI says what is wrong with each field.
func validation(list json.RawMessage) string {
	var items []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(list, &items) != nil {
		return ""
	}
	var parts []string
	for _, it := range items {
		var at []string
		for _, l := range it.Loc {
			at = append(at, fmt.Sprint(l))
		}
		parts = append(parts, strings.Join(at, ".")+": "+it.Msg)
	}
	return strings.Join(parts, "; ")
}

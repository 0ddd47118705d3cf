package httpx

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"groupsyncd/internal/secret"
)

// said takes the server's own words out of an error body: the code by which the API names
// the error, and a text. The shapes are those of FastAPI (detail), SCIM (RFC 7644, 3.12),
// OAuth (RFC 6749, 5.2), Keycloak (errorMessage), Okta (errorSummary), Microsoft Graph and
// Google (an object under error).
func said(body []byte, key secret.Value) (code, text string) {
	var e struct {
		Detail       json.RawMessage `json:"detail"`
		Message      string          `json:"message"`
		SCIMType     string          `json:"scimType"`
		Error        json.RawMessage `json:"error"`
		Description  string          `json:"error_description"`
		ErrorMessage string          `json:"errorMessage"`
		ErrorCode    string          `json:"errorCode"`
		Summary      string          `json:"errorSummary"`
	}
	if json.Unmarshal(body[:min(len(body), 64<<10)], &e) != nil {
		return "", ""
	}
	var inner struct {
		Code    any    `json:"code"`
		Message string `json:"message"`
		Errors  []struct {
			Reason string `json:"reason"`
		} `json:"errors"`
	}
	var word, detail string
	if json.Unmarshal(e.Error, &word) != nil && json.Unmarshal(e.Error, &inner) == nil {
		word, _ = inner.Code.(string)
		if len(inner.Errors) > 0 {
			word = cmp.Or(inner.Errors[0].Reason, word)
		}
	}
	if json.Unmarshal(e.Detail, &detail) != nil {
		detail = validation(e.Detail)
	}
	code = cmp.Or(e.SCIMType, e.ErrorCode, word)
	text = cmp.Or(detail, e.Description, e.ErrorMessage, e.Summary, inner.Message, e.Message)
	return Shorten(key.Hide(code), 80), Shorten(key.Hide(text), 200)
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

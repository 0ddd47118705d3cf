package scimtest

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// list answers a request for a list: by index, or by cursor where that is asked for.
func (s *Server) list(a *answer, kind string, query url.Values) {
	p := s.profile
	count, err := p.Default, error(nil)
	if query.Has("count") {
		if count, err = strconv.Atoi(query.Get("count")); err != nil {
			a.refuse(http.StatusBadRequest, "invalidCount", "count is no number")
			return
		}
	}
	if count > p.Cap && p.RefuseLarge != 0 {
		a.refuse(p.RefuseLarge, "", "count is too large")
		return
	}
	count = max(0, min(count, p.Cap))
	all := s.resources(kind)
	if kind == "Users" {
		all = slices.DeleteFunc(all, func(r resource) bool { return p.Hidden[r.id] || p.HideDisabled && r.shown["active"] == false })
	}
	if text := query.Get("filter"); text != "" {
		found, ok := s.filter(kind, text, all)
		if !ok {
			a.refuse(http.StatusBadRequest, "invalidFilter", "this filter is not supported")
			return
		}
		all = found
	} else if p.OneRow {
		all = []resource{{id: "1", shown: object{"id": "1", "userName": "synthetic", "displayName": "synthetic", "active": false}}}
	}
	for i := range all {
		if kind == "Groups" {
			all[i].shown = s.hide(all[i].shown, true, query)
		}
	}
	if query.Has("cursor") && p.Cursor {
		s.byCursor(a, query.Get("cursor"), count, all)
		return
	}
	if query.Has("startIndex") && p.NoIndex {
		a.refuse(http.StatusBadRequest, "", "startIndex is not supported")
		return
	}
	start := 1
	if query.Has("startIndex") {
		if start, err = strconv.Atoi(query.Get("startIndex")); err != nil {
			a.refuse(http.StatusBadRequest, "invalidValue", "startIndex is no number")
			return
		}
	}
	start = max(1, start)
	from := start - 1
	if p.Pages && count > 0 {
		from = from / count * count
	}
	from = min(from, len(all))
	page := all[from:min(from+count, len(all))]
	body := object{"schemas": []string{listResponse}, "totalResults": len(all), "startIndex": start, "itemsPerPage": len(page), "Resources": shown(page)}
	if p.Total != nil {
		body["totalResults"] = p.Total(len(all), len(page))
	}
	if p.NoTotal {
		delete(body, "totalResults")
	}
	a.write(http.StatusOK, body)
}

func shown(page []resource) []object {
	out := make([]object, len(page))
	for i := range page {
		out[i] = page[i].shown
	}
	return out
}

// byCursor pages by the id of the last entry that was given, so that a deletion shifts nothing.
func (s *Server) byCursor(a *answer, cursor string, count int, all []resource) {
	from := 0
	if cursor != "" {
		last, err := base64.URLEncoding.DecodeString(cursor)
		at := -1
		for i := range all {
			if all[i].id == string(last) {
				at = i
			}
		}
		if err != nil || at < 0 {
			a.refuse(http.StatusBadRequest, "expiredCursor", "the cursor is over")
			return
		}
		from = at + 1
	}
	page := all[from:min(from+count, len(all))]
	body := object{"schemas": []string{listResponse}, "itemsPerPage": len(page), "Resources": shown(page)}
	if from+count < len(all) && len(page) > 0 {
		body["nextCursor"] = base64.URLEncoding.EncodeToString([]byte(page[len(page)-1].id))
	}
	a.write(http.StatusOK, body)
}

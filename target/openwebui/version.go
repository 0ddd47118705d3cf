package openwebui

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"groupsyncd/internal/fault"
)

// oldest is the first version with which every call of this package works.
var oldest = [3]int{0, 8, 0}

const oldestText = "0.8.0"

type versionWire struct {
	Version    string `json:"version"`
	Deployment string `json:"deployment_id"`
}

// version reads the server's version and refuses one that is too old.
func (s *Session) version(ctx context.Context) (*versionWire, error) {
	var v versionWire
	if _, err := s.get(ctx, "read the version", "/api/version", &v); err != nil {
		return nil, err
	}
	if v.Version == "" {
		return nil, fault.New(fault.Invalid, "read the version", "target "+s.c.name,
			errors.New("the server does not tell its version"), "check that the url is that of an Open WebUI")
	}
	if n, ok := parseVersion(v.Version); ok && older(n, oldest) {
		return nil, s.tooOld("is version " + v.Version)
	}
	s.c.sayUntested(v.Version)
	s.learned.mu.Lock()
	s.learned.version = v.Version
	s.learned.mu.Unlock()
	return &v, nil
}

func (s *Session) tooOld(what string) error {
	return fault.New(fault.Invalid, "check the version", "target "+s.c.name,
		fmt.Errorf("this Open WebUI %s; %s is the oldest that groupsyncd supports", what, oldestText), "upgrade Open WebUI")
}

// haveParents reports whether groups can have a parent: by what a group
// says, and where there is none by the version.
func haveParents(version string, groups []groupWire) bool {
	if len(groups) > 0 {
		return len(groups[0].Parent) > 0
	}
	_, ok := parseVersion(version)
	return ok && has(version, parents)
}

// parseVersion reads the three numbers at the beginning of a version. Forks call
// theirs as they like: one that has no such form is judged by its answers alone.
func parseVersion(text string) ([3]int, bool) {
	m := regexp.MustCompile(`^v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:$|[-+._a-z])`).FindStringSubmatch(text)
	if m == nil {
		return [3]int{}, false
	}
	var v [3]int
	for i := range v {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

func older(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

package oktatest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"groupsyncd/providers/providertest/apitest"
)

// Limits are how much the app may ask a minute, of each of Okta's limits; zero: any number.
type Limits struct {
	// Users is for the list of users, User for one of them, Groups for the list of groups, Apps
	// for what belongs to apps, Rest for everything else: the members of a group, the groups of
	// a user.
	Users, User, Groups, Apps, Rest int
	// Parallel is how many requests may be under way at a time.
	Parallel int
	// Latency is how long an answer takes.
	Latency time.Duration
}

// Halved are the limits of a usual organisation for a new service app, which gets half.
func Halved() *Limits {
	return &Limits{Users: 300, User: 1000, Groups: 250, Apps: 50, Rest: 300, Parallel: 37, Latency: 150 * time.Millisecond}
}

// bucketOf gives the limit that a request counts for.
func bucketOf(r *http.Request) string {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	switch {
	case !strings.HasPrefix(r.URL.Path, "/api/v1/"):
		return ""
	case parts[0] == "apps":
		return "apps"
	case len(parts) == 1:
		return parts[0]
	case len(parts) == 2 && parts[0] == "users":
		return "user"
	}
	return "rest"
}

// throttled puts the limits before the API.
func (s *Server) throttled(h http.Handler) http.Handler {
	l := s.o.Limits
	limits := []apitest.Limit{{Parallel: l.Parallel, Match: func(r *http.Request) bool { return bucketOf(r) != "" }, Header: s.crowd, Refuse: tooMany}}
	for name, units := range map[string]int{"users": l.Users, "user": l.User, "groups": l.Groups, "apps": l.Apps, "rest": l.Rest} {
		if units == 0 {
			continue
		}
		limits = append(limits, apitest.Limit{Units: units, Per: time.Minute, Match: func(r *http.Request) bool { return bucketOf(r) == name }, Header: s.quota, Refuse: tooMany})
	}
	s.Throttle = apitest.NewThrottle(limits...)
	s.Throttle.Latency = l.Latency
	return s.Throttle.Wrap(h)
}

// quota writes what is left of a limit, by the organisation's clock.
func (s *Server) quota(h http.Header, q apitest.Quota) {
	h.Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(q.Units))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(q.Left))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(s.o.Now().Add(q.Wait).Unix(), 10))
}

// crowd writes that too many requests are under way; else the headers are those of the limit.
func (s *Server) crowd(h http.Header, q apitest.Quota) {
	if q.Refused {
		s.quota(h, apitest.Quota{Wait: 20 * time.Second})
	}
}

func tooMany(w http.ResponseWriter, _ *http.Request, _ apitest.Quota) {
	refuse(w, http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.")
}

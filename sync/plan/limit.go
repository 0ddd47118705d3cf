package plan

import "strconv"

// Limit bounds how many things may be affected, by number, by share, or both: then
// the lower wins. The zero Limit allows none.
type Limit struct {
	// NoLimit lifts every bound.
	NoLimit bool `json:"no_limit,omitempty"`
	// ByCount and ByPercent say which of the two bounds are set.
	ByCount   bool    `json:"by_count,omitempty"`
	Count     int     `json:"count,omitempty"`
	ByPercent bool    `json:"by_percent,omitempty"`
	Percent   float64 `json:"percent,omitempty"`
}

// LimitOff is no limit at all.
func LimitOff() Limit { return Limit{NoLimit: true} }

// LimitCount allows up to n things; 0 allows none.
func LimitCount(n int) Limit { return Limit{ByCount: true, Count: n} }

// LimitPercent allows up to that share of all things, in hundredths.
func LimitPercent(percent float64) Limit { return Limit{ByPercent: true, Percent: percent} }

// LimitBoth allows what both a number and a share allow.
func LimitBoth(n int, percent float64) Limit {
	return Limit{ByCount: true, Count: n, ByPercent: true, Percent: percent}
}

// Off reports whether there is no limit.
func (l Limit) Off() bool { return l.NoLimit }

// Exceeded reports whether n of all `of` things are more than the limit allows;
// as many as the limit are not more.
func (l Limit) Exceeded(n, of int) bool {
	switch {
	case l.NoLimit:
		return false
	case !l.ByCount && !l.ByPercent:
		return n > 0
	case l.ByCount && n > l.Count:
		return true
	}
	// Both sides are exact: counts of people are far below 2^53.
	return l.ByPercent && float64(n)*100 > l.Percent*float64(of)
}

// String gives the limit as people write it: 500, 20%, "500 or 20%", off.
func (l Limit) String() string {
	percent := strconv.FormatFloat(l.Percent, 'f', -1, 64) + "%"
	switch {
	case l.NoLimit:
		return "off"
	case l.ByCount && l.ByPercent:
		return strconv.Itoa(l.Count) + " or " + percent
	case l.ByPercent:
		return percent
	}
	return strconv.Itoa(l.Count)
}

package plan_test

import (
	"testing"

	"groupsyncd/sync/plan"
)

func TestLimitIsExceededByStrictlyMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit plan.Limit
		n, of int
		want  bool
		text  string
	}{
		{"the number itself is allowed", plan.LimitCount(5), 5, 10, false, "5"},
		{"one more than the number is not", plan.LimitCount(5), 6, 10, true, "5"},
		{"zero allows nothing lost", plan.LimitCount(0), 0, 10, false, "0"},
		{"zero allows no loss", plan.LimitCount(0), 1, 1000, true, "0"},
		{"the share itself is allowed", plan.LimitPercent(20), 20, 100, false, "20%"},
		{"a little more than the share is not", plan.LimitPercent(20), 21, 104, true, "20%"},
		{"shares are not rounded", plan.LimitPercent(33.3), 1, 3, true, "33.3%"},
		{"a share of nobody", plan.LimitPercent(50), 1, 0, true, "50%"},
		{"no loss of nobody", plan.LimitPercent(0), 0, 0, false, "0%"},
		{"of both, the number is lower", plan.LimitBoth(5, 50), 6, 100, true, "5 or 50%"},
		{"of both, the share is lower", plan.LimitBoth(500, 20), 3, 10, true, "500 or 20%"},
		{"within both", plan.LimitBoth(500, 20), 2, 10, false, "500 or 20%"},
		{"off never", plan.LimitOff(), 1000, 1, false, "off"},
		{"the zero limit allows none", plan.Limit{}, 1, 100, true, "0"},
		{"the zero limit allows no change", plan.Limit{}, 0, 100, false, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.limit.Exceeded(c.n, c.of); got != c.want {
				t.Errorf("%v exceeded by %d of %d: %v, want %v", c.limit, c.n, c.of, got, c.want)
			}
			if got := c.limit.String(); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
		})
	}
}

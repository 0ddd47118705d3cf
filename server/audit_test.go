package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"github.com/google/go-cmp/cmp"
)

func (b *backend) AuditVerify(_ context.Context, head *run.AuditHead) (*run.AuditSummary, error) {
	return &run.AuditSummary{Last: 9, Proved: head}, b.note("verify %v", head)
}

func (b *backend) AuditExport(_ context.Context, q AuditQuery, line func([]byte) error) error {
	for i := range b.lines {
		if err := line(fmt.Appendf(nil, `{"seq":%d,"text":%q}`, i+1, strings.Repeat("x", i))); err != nil {
			return err
		}
	}
	return b.note("export %s %s", q.Since.Format(time.RFC3339Nano), q.Run)
}

func TestTheAuditOfADaemonIsProvedAndExported(t *testing.T) {
	t.Parallel()
	b := &backend{lines: 3000}
	c, _, _ := start(t, b, nil)
	head := &run.AuditHead{Seq: 7, Hash: "ab", Signature: "x+/="}
	s, err := c.AuditVerify(t.Context(), head)
	if err != nil || s.Last != 9 || cmp.Diff(head, s.Proved) != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err = c.AuditVerify(t.Context(), nil); err != nil || s.Proved != nil {
		t.Errorf("%+v, %v", s, err)
	}
	var got []string
	take := func(line []byte) error { got = append(got, string(line)); return nil }
	since := time.Date(2026, 3, 1, 12, 0, 0, 7, time.FixedZone("", 3600))
	if err := c.AuditExport(t.Context(), AuditQuery{Since: since, Run: "01 & x"}, take); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3000 || got[0] != `{"seq":1,"text":""}` || !strings.HasPrefix(got[2999], `{"seq":3000,"text":"xxx`) {
		t.Errorf("%d lines", len(got))
	}
	if err := c.AuditExport(t.Context(), AuditQuery{}, func([]byte) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a failure of the reader becomes %v", err)
	}
	want := []string{"verify &{7 ab x+/=}", "verify <nil>", "export 2026-03-01T11:00:00.000000007Z 01 & x"}
	if diff := cmp.Diff(want, b.asked[:3]); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestAnExportThatFailsOnItsWayIsAFailure(t *testing.T) {
	t.Parallel()
	bad := fault.New(fault.Damaged, "read audit", "state.db", errors.New("record 5 is missing"), "keep the file")
	for _, lines := range []int{0, 5, 3000} {
		c, _, _ := start(t, &backend{lines: lines, err: bad}, nil)
		n := 0
		err := c.AuditExport(t.Context(), AuditQuery{}, func([]byte) error { n++; return nil })
		if n != lines || err == nil || err.Error() != bad.Error() || fault.KindOf(err) != fault.Damaged || fault.HintOf(err) != "keep the file" {
			t.Errorf("%d lines, then %v", n, err)
		}
	}
	// A daemon that dies in the middle is no end of the audit.
	c, _, stop := start(t, &backend{lines: 3000, panics: true}, nil)
	if err := c.AuditExport(t.Context(), AuditQuery{}, func([]byte) error { return nil }); fault.KindOf(err) != fault.Damaged {
		t.Errorf("a cut export ends with %v", err)
	}
	stop()
}

func TestATimeThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	c, _, _ := start(t, &backend{}, nil)
	if _, err := call[done](t.Context(), c, http.MethodGet, "/v1/audit?since=yesterday", nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("error %v", err)
	}
}

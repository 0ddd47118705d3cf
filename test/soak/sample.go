package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/test/proc"
)

// sample is what the program needs at a moment.
type sample struct {
	resident    int64 // bytes
	live        int64 // bytes that the last collection left
	descriptors int
	goroutines  int
	state       int64 // bytes of the state file
	reader      float64
	records     int // of the audit
}

func (s sample) String() string {
	return fmt.Sprintf("%5.1f MB resident, %5.1f MB live, %3d descriptors, %3d goroutines, state %5.1f MB with %d audit records, oldest reader %.1f s",
		float64(s.resident)/(1<<20), float64(s.live)/(1<<20), s.descriptors, s.goroutines, float64(s.state)/(1<<20), s.records, s.reader)
}

// sample asks the kernel, and the program for what only it knows.
func (t *town) sample() (sample, error) {
	daemon := proc.Of(t.daemon.Process.Pid)
	memory, err := daemon.Memory()
	if err != nil {
		return sample{}, fmt.Errorf("the program is gone: %w", err)
	}
	s := sample{resident: memory.Resident}
	if s.descriptors, err = daemon.Descriptors(); err != nil {
		return s, err
	}
	err = t.metrics(&s)
	return s, err
}

func (t *town) metrics(s *sample) (err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+t.admin+"/metrics", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue // A comment.
		}
		switch name {
		case "go_goroutines":
			s.goroutines = int(value)
		case "go_memstats_next_gc_bytes":
			s.live = int64(value) / 2 // The next collection comes when there is twice as much.
		case "groupsyncd_state_size_bytes":
			s.state = int64(value)
		case "groupsyncd_state_oldest_reader_seconds":
			s.reader = value
		case "groupsyncd_audit_records":
			s.records = int(value)
		}
	}
	return nil
}

// grown compares the last quarter with the second one; the first is for caches to fill. Of each
// quarter the lower fourth counts, because what a run needs for a moment is no growth. The state keeps
// each change in the audit and in the report of its run, so it may grow for a new record.
func grown(samples []sample) []error {
	if len(samples) < 12 {
		return []error{fmt.Errorf("%d samples tell nothing: let it run for 3 minutes at least", len(samples))}
	}
	quarter := len(samples) / 4
	before, after := samples[quarter:2*quarter], samples[3*quarter:]
	const perRecord = 3 << 10 // with its share of the report and of pages that are not full
	var out []error
	for _, m := range []struct {
		name  string
		of    func(*sample) float64
		share float64 // of what was before
		plus  float64
	}{
		{"resident bytes", func(s *sample) float64 { return float64(s.resident) }, 0.10, 16 << 20},
		{"live bytes", func(s *sample) float64 { return float64(s.live) }, 0.10, 4 << 20},
		{"descriptors", func(s *sample) float64 { return float64(s.descriptors) }, 0.10, 10},
		{"goroutines", func(s *sample) float64 { return float64(s.goroutines) }, 0.10, 10},
		{"bytes of state without history", func(s *sample) float64 { return float64(s.state) - float64(s.records-samples[0].records)*perRecord }, 0.05, 4 << 20},
		{"seconds of the oldest reader", func(s *sample) float64 { return s.reader }, 0, 60},
	} {
		was, is := low(before, m.of), low(after, m.of)
		fmt.Printf("%-30s %.0f in the second quarter, %.0f in the last\n", m.name, was, is)
		if is > was*(1+m.share)+m.plus {
			out = append(out, fmt.Errorf("%s grew from %.0f to %.0f", m.name, was, is))
		}
	}
	return out
}

func low(samples []sample, of func(*sample) float64) float64 {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = of(&samples[i])
	}
	slices.Sort(values)
	return values[len(values)/4]
}

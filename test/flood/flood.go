package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"groupsyncd/server/hooks/hookstest"
)

// flood sends garbage.
type flood struct {
	base   string
	client *http.Client
	// once opens a connection for each request.
	once *http.Client

	mu sync.Mutex
	// answers counts the statuses; 0 is none at all.
	answers map[int]int
	// late counts what could not be sent in time.
	late   int
	logins []time.Duration
	faults []error
}

func newFlood(address string) *flood {
	return &flood{base: "http://" + address, answers: map[int]int{},
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		once:   &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// garbage makes one of the kinds of request that prove nothing.
func (f *flood) garbage(n int) (*http.Request, error) {
	huge := strings.Repeat("garbage ", 32<<10)
	method, path, body := http.MethodPost, "/hooks/login", io.Reader(strings.NewReader(huge[:n%4096]))
	switch n % 8 {
	case 1:
		body = strings.NewReader(huge)
	case 2:
		path = "/hooks/chat/" + strconv.Itoa(n)
	case 3:
		path = "/hooks/" + strconv.Itoa(n) + "/" + chatSecret
	case 4:
		method, body = http.MethodGet, nil
	case 5:
		body = strings.NewReader(huge + "x")
	case 6:
		body = io.MultiReader(strings.NewReader(huge), strings.NewReader(huge))
	case 7:
		path = "/" + strconv.Itoa(n)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, f.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Webhook-Id", strconv.Itoa(n))
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(make([]byte, sha256.Size)))
	// A proxy on this machine would say that they come from many.
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", n%20))
	return req, nil
}

// run sends garbage at that rate, and a sign-in every second.
func (f *flood) run(length time.Duration, rate int) {
	work := make(chan int, rate)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := range work {
				f.send(n)
			}
		})
	}
	wg.Go(func() {
		for n := range int(length / time.Second) {
			f.login(n)
			time.Sleep(time.Second)
		}
	})
	start := time.Now()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if due.Sub(start) >= length {
			break
		}
		time.Sleep(time.Until(due))
		select {
		case work <- n:
		default:
			f.mu.Lock()
			f.late++
			f.mu.Unlock()
		}
	}
	close(work)
	wg.Wait()
}

func (f *flood) send(n int) {
	req, err := f.garbage(n)
	if err != nil {
		f.fault(err)
		return
	}
	client := f.client
	if n%3 == 0 {
		client = f.once
	}
	status := 0
	if resp, err := client.Do(req); err == nil {
		status = resp.StatusCode
		_, _ = io.Copy(io.Discard, resp.Body) // What it says is of no interest.
		_ = resp.Body.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[status]++
	if status/100 == 2 {
		f.faults = append(f.faults, fmt.Errorf("garbage %d was taken", n%8))
	}
}

// login tells of somebody, for whom nothing changes, and waits for the end of the run.
func (f *flood) login(n int) {
	body := fmt.Sprintf(`{"type":"login","data":{"user":"p%d@example.org"}}`, n%200)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, f.base+"/hooks/login?wait=10s", strings.NewReader(body))
	if err != nil {
		f.fault(err)
		return
	}
	maps.Copy(req.Header, hookstest.Standard(loginSecret, "login-"+strconv.Itoa(n), body, time.Now()))
	req.Header.Set("X-Forwarded-For", "198.51.100.7")
	began := time.Now()
	resp, err := f.once.Do(req)
	if err != nil {
		f.fault(fmt.Errorf("sign-in %d: %w", n, err))
		return
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
		f.fault(fmt.Errorf("sign-in %d: %d %s %w", n, resp.StatusCode, text, err))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logins = append(f.logins, time.Since(began))
}

func (f *flood) fault(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, err)
}

// print says what was sent and answered.
func (f *flood) print() {
	total := 0
	for _, n := range f.answers {
		total += n
	}
	fmt.Printf("garbage: %d requests, %d more could not be sent in time\n", total, f.late)
	for _, status := range slices.Sorted(maps.Keys(f.answers)) {
		fmt.Printf("    %3d %s: %d\n", status, http.StatusText(status), f.answers[status])
	}
	slices.Sort(f.logins)
	if len(f.logins) > 0 {
		fmt.Printf("sign-ins between it: %d, half of them within %s, all within %s\n", len(f.logins), f.logins[len(f.logins)/2].Round(time.Millisecond),
			f.logins[len(f.logins)-1].Round(time.Millisecond))
	}
}

// wrong gives what went wrong, the first of it.
func (f *flood) wrong() []error { return f.faults[:min(len(f.faults), 5)] }

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// httpCommand asks the admin listener of the script's daemon, where its log says that
// it is: http CODE METHOD PATH [TOKEN [BODY]]. The answer is the output; TOKEN is a file.
func httpCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 5 {
		ts.Fatalf("usage: http CODE METHOD PATH [TOKEN [BODY]]")
	}
	log, err := os.ReadFile(filepath.Join(stageOf(ts).dir, "daemon.log"))
	ts.Check(err)
	open := regexp.MustCompile(`"msg":"admin listener open","address":"([^"]+)"`).FindAllSubmatch(log, -1)
	if len(open) == 0 {
		ts.Fatalf("the daemon has no admin listener")
	}
	body := ""
	if len(args) == 5 {
		body = args[4]
	}
	req, err := http.NewRequestWithContext(context.Background(), args[1], "http://"+string(open[len(open)-1][1])+args[2], strings.NewReader(body))
	ts.Check(err)
	if len(args) > 3 {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile(args[3])))
	}
	req.Header.Set("Content-Type", "application/json")
	exchange(ts, req, args[0])
}

// exchange sends a request, shows the answer, and wants its status and no secret in it.
func exchange(ts *testscript.TestScript, req *http.Request, status string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	ts.Check(err)
	text, err := io.ReadAll(resp.Body)
	ts.Check(errors.Join(err, resp.Body.Close()))
	_, err = ts.Stdout().Write(text)
	ts.Check(err)
	if what := betrayed(fmt.Appendf(text, "\n%v", resp.Header)); what != "" {
		ts.Fatalf("the answer holds %s", what)
	}
	if strconv.Itoa(resp.StatusCode) != status {
		ts.Fatalf("status %d, want %s: %s", resp.StatusCode, status, text)
	}
}

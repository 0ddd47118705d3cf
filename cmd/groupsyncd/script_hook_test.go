package main

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"groupsyncd/server/hooks/hookstest"
	"groupsyncd/target/openwebui/openwebuitest"
)

// publicAddress finds where the log of the script's daemon says that webhooks are taken.
func publicAddress(ts *testscript.TestScript) string {
	log, err := os.ReadFile(filepath.Join(stageOf(ts).dir, "daemon.log"))
	ts.Check(err)
	open := regexp.MustCompile(`"msg":"public listener open","address":"([^"]+)"`).FindAllSubmatch(log, -1)
	if len(open) == 0 {
		ts.Fatalf("the daemon has no public listener")
	}
	return string(open[len(open)-1][1])
}

// hookCommand sends a webhook to the script's daemon: hook CODE PATH BODY [SECRET [ID]].
// A @ in the path stands for the secret, which is a file; else the request is signed with
// it as Standard Webhooks are. Or somebody signs in at Open WebUI, which tells of it:
// hook sign-in NAME MAIL SECRET.
func hookCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 5 {
		ts.Fatalf("usage: hook CODE PATH BODY [SECRET [ID]]; hook sign-in NAME MAIL SECRET")
	}
	key, id := "", rand.Text()
	if len(args) > 3 {
		key = strings.TrimSpace(ts.ReadFile(args[3]))
	}
	if args[0] == "sign-in" {
		signInAndTell(ts, args[1], args[2], key)
		return
	}
	if len(args) > 4 {
		id = args[4]
	}
	path, body := strings.ReplaceAll(args[1], "@", key), args[2]
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+publicAddress(ts)+path, strings.NewReader(body))
	ts.Check(err)
	if key != "" && path == args[1] {
		maps.Copy(req.Header, hookstest.Standard(key, id, body, time.Now()))
	}
	exchange(ts, req, args[0])
}

func signInAndTell(ts *testscript.TestScript, name, mail, key string) {
	chat := stageOf(ts).chat.server
	chat.AllowLocalFetch(true)
	if len(chat.Webhooks()) == 0 {
		chat.SetWebhook(openwebuitest.Webhook{URL: "http://" + publicAddress(ts) + "/hooks/" + name + "/" + key, Enabled: true, Events: []string{"auth.login", "auth.signup", "user.created"}})
	}
	_, err := chat.SignIn(openwebuitest.SignIn{Email: mail + "@example.org", Name: mail, Provider: "oidc", Subject: "sub-" + mail})
	ts.Check(err)
}

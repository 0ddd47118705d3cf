package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// hides demands that the password and the tokens of somebody's account, which the server
// made and told, stand nowhere: not in the last output, and in no file of the script.
func (c *chatStage) hides(ts *testscript.TestScript, mail string) error {
	id, err := c.account(mail)
	if err != nil {
		return err
	}
	secrets := c.server.Secrets(id)
	if len(secrets) < 2 {
		return fmt.Errorf("%s has no password and token to hide", mail)
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if form := shown([]byte(ts.ReadFile(stream)), secrets); form != "" {
			return fmt.Errorf("%s holds a secret of %s %s", stream, mail, form)
		}
	}
	return filepath.WalkDir(ts.Getenv("WORK"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if form := shown(text, secrets); form != "" {
			return fmt.Errorf("%s holds a secret of %s %s", path, mail, form)
		}
		return err
	})
}

// shown says in what form a text holds one of the secrets, or nothing.
func shown(text []byte, secrets []string) string {
	for _, secret := range secrets {
		for form, look := range disguises(secret) {
			if bytes.Contains(text, []byte(look)) {
				return form
			}
		}
	}
	return ""
}

package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"groupsyncd/packaging/test/program"
)

var dir = filepath.Join(program.Root, "packaging", "compose")

// project loads the file as "docker compose" does: against the schema of the compose
// specification, in which a word that is not known is an error.
func project(t *testing.T, env types.Mapping) *types.Project {
	t.Helper()
	at, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: at, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(at, "compose.yaml")}}, Environment: env,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOneCommandStartsEverythingInOrder(t *testing.T) {
	t.Parallel()
	p := project(t, nil)
	if want := []string{"api-key", "groupsyncd", "keycloak", "open-webui", "secrets"}; !slices.Equal(p.ServiceNames(), want) {
		t.Fatalf("services: %q", p.ServiceNames())
	}
	for name, after := range map[string]map[string]string{
		"keycloak":   {"secrets": types.ServiceConditionCompletedSuccessfully},
		"open-webui": {"secrets": types.ServiceConditionCompletedSuccessfully, "keycloak": types.ServiceConditionHealthy},
		"api-key":    {"open-webui": types.ServiceConditionHealthy},
		"groupsyncd": {"keycloak": types.ServiceConditionHealthy, "api-key": types.ServiceConditionCompletedSuccessfully},
	} {
		for other, condition := range after {
			if got := p.Services[name].DependsOn[other].Condition; got != condition {
				t.Errorf("%s waits until %s is %q", name, other, got)
			}
		}
	}
	for _, name := range []string{"keycloak", "open-webui", "groupsyncd"} {
		s := p.Services[name]
		if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Test[0] != "CMD" || s.Restart != types.RestartPolicyUnlessStopped {
			t.Errorf("%s: health %+v, restart %q", name, s.HealthCheck, s.Restart)
		}
	}
	if s := p.Services["groupsyncd"]; s.Image != "groupsyncd" || s.Build == nil {
		t.Errorf("the image is %s", s.Image)
	}
	if s := project(t, types.Mapping{"GROUPSYNCD_IMAGE": "registry.example.org/groupsyncd:1"}).Services["groupsyncd"]; s.Image != "registry.example.org/groupsyncd:1" {
		t.Errorf("another image cannot be chosen: %s", s.Image)
	}
}

// Whoever copies the service copies its restrictions.
func TestGroupsyncdIsConfined(t *testing.T) {
	t.Parallel()
	p := project(t, nil)
	s := p.Services["groupsyncd"]
	switch {
	case !s.ReadOnly, s.User != "65532:65532", s.Privileged:
		t.Errorf("root %v, user %q, privileged %v", s.ReadOnly, s.User, s.Privileged)
	case !slices.Equal(s.CapDrop, []string{"ALL"}), len(s.CapAdd) > 0:
		t.Errorf("capabilities: without %q, with %q", s.CapDrop, s.CapAdd)
	case !slices.Contains(s.SecurityOpt, "no-new-privileges:true"):
		t.Errorf("options: %q", s.SecurityOpt)
	case len(s.Tmpfs) != 1 || !strings.HasPrefix(s.Tmpfs[0], "/tmp:"):
		t.Errorf("tmpfs: %q", s.Tmpfs)
	case s.StopGracePeriod == nil || seconds(s.StopGracePeriod) < 75:
		t.Errorf("it is killed in the middle of a call: %v", s.StopGracePeriod)
	}
	writable := []string{}
	for _, v := range s.Volumes {
		if !v.ReadOnly {
			writable = append(writable, v.Target)
		}
	}
	if !slices.Equal(writable, []string{"/var/lib/groupsyncd"}) {
		t.Errorf("it can write to %q", writable)
	}
	if want := []string{"CMD", "/usr/bin/groupsyncd", "healthcheck"}; !slices.Equal(s.HealthCheck.Test, want) {
		t.Errorf("its health is asked by %q", s.HealthCheck.Test)
	}
	for name, s := range p.Services {
		if s.Privileged || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain rights", name)
		}
	}
}

func seconds(d *types.Duration) float64 { return time.Duration(*d).Seconds() }

// Nothing is offered to other machines, secrets are files, and every image says which it is.
func TestNothingIsOpenAndNoSecretIsInTheFile(t *testing.T) {
	t.Parallel()
	p := project(t, nil)
	secret := regexp.MustCompile(`(?i)(password|secret|token|key)$`)
	tag := regexp.MustCompile(`:v?\d+\.\d+\.\d+$`)
	for name, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open on %q", name, port.Published, port.HostIP)
			}
		}
		for key := range s.Environment {
			if secret.MatchString(key) {
				t.Errorf("%s: %s is in the environment", name, key)
			}
		}
		if s.Build == nil && !tag.MatchString(s.Image) {
			t.Errorf("%s: %s is any version", name, s.Image)
		}
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %s (read-only: %v): %v", name, v.Source, v.ReadOnly, err)
				}
			case types.VolumeTypeVolume:
				if _, ok := p.Volumes[v.Source]; !ok {
					t.Errorf("%s: nobody declares the volume %s", name, v.Source)
				}
			default:
				t.Errorf("%s: a mount of the type %s", name, v.Type)
			}
		}
	}
	// Only who makes the secrets sees more than their own.
	for volume, users := range map[string][]string{
		"secrets-keycloak":   {"keycloak", "secrets"},
		"secrets-open-webui": {"api-key", "open-webui", "secrets"},
		"secrets-groupsyncd": {"api-key", "groupsyncd", "secrets"},
	} {
		var found []string
		for _, name := range p.ServiceNames() {
			if slices.ContainsFunc(p.Services[name].Volumes, func(v types.ServiceVolumeConfig) bool { return v.Source == volume }) {
				found = append(found, name)
			}
		}
		if !slices.Equal(found, users) {
			t.Errorf("%s is seen by %q", volume, found)
		}
	}
}

// The services mean each other: addresses, realm, clients, files of secrets.
func TestPartsFitTogether(t *testing.T) {
	t.Parallel()
	p := project(t, nil)
	config := read(t, "groupsyncd", "groupsyncd.yaml")
	if out, code := program.Validate(t, map[string]string{"groupsyncd.yaml": config}); code != 0 || strings.Contains(out, "warning") {
		t.Errorf("the program takes the configuration with %d: %s", code, out)
	}
	script := read(t, "setup.py")
	for _, name := range regexp.MustCompile(`file:/run/secrets/(\S+?)[},\s]`).FindAllStringSubmatch(config, -1) {
		if !strings.Contains(script, `"`+name[1]+`"`) {
			t.Errorf("nobody makes the secret %s", name[1])
		}
	}
	for _, service := range []string{"keycloak", "open-webui"} {
		s := p.Services[service]
		names := regexp.MustCompile(`for name in ([A-Z_ ]+);`).FindStringSubmatch(strings.Join(slices.Concat(s.Entrypoint, s.Command), "\n"))
		if names == nil {
			t.Fatalf("%s reads no secrets", service)
		}
		for name := range strings.FieldsSeq(names[1]) {
			if !strings.Contains(script, `"`+service+"/"+name+`"`) {
				t.Errorf("nobody makes %s for %s", name, service)
			}
		}
	}
	realm := read(t, "keycloak", "example.json")
	for _, placeholder := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(realm, -1) {
		if !strings.Contains(script, `"keycloak/`+placeholder[1]+`"`) {
			t.Errorf("nobody makes %s for the realm", placeholder[1])
		}
	}
	var parsed struct {
		Realm   string
		Clients []struct {
			ClientID     string `json:"clientId"`
			Secret       string
			RedirectURIs []string `json:"redirectUris"`
		}
		Users []struct{ Credentials []struct{ Value string } }
	}
	if err := json.Unmarshal([]byte(realm), &parsed); err != nil {
		t.Fatal(err)
	}
	chat := p.Services["open-webui"].Environment
	provider := *chat["OPENID_PROVIDER_URL"]
	if !strings.Contains(provider, "http://keycloak:8080/realms/"+parsed.Realm+"/") || !strings.Contains(config, "realm: "+parsed.Realm+"\n") {
		t.Errorf("Open WebUI asks %s; the realm is %s", provider, parsed.Realm)
	}
	if parsed.Clients[0].ClientID != *chat["OAUTH_CLIENT_ID"] || !slices.Contains(parsed.Clients[0].RedirectURIs, *chat["OPENID_REDIRECT_URI"]) {
		t.Errorf("the client is %+v", parsed.Clients[0])
	}
	for _, c := range parsed.Clients {
		if !strings.HasPrefix(c.Secret, "${") {
			t.Errorf("the secret of %s is in the file", c.ClientID)
		}
	}
	for _, u := range parsed.Users {
		for _, c := range u.Credentials {
			if c.Value != "${PEOPLE_PASSWORD}" {
				t.Error("a password is in the file")
			}
		}
	}
	if *chat["ENABLE_OAUTH_GROUP_MANAGEMENT"] != "false" || *chat["ENABLE_API_KEYS"] != "true" {
		t.Error("Open WebUI works against groupsyncd")
	}
}

func read(t *testing.T, names ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{dir}, names...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

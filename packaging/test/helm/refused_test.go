package helm

import (
	"strings"
	"testing"
)

// What cannot work is refused before anything is installed, with what is wrong.
func TestMistakesAreRefused(t *testing.T) {
	t.Parallel()
	type tree = map[string]any
	for name, c := range map[string]struct {
		more tree
		says string
	}{
		"no configuration":         {tree{"config": ""}, "config"},
		"a configuration as tree":  {tree{"config": tree{"mode": "plan"}}, "got object, want string"},
		"no YAML":                  {tree{"config": "a: [b"}, "this is no YAML"},
		"probes in vain":           {tree{"config": "mode: plan\n"}, `admin: {listen: ":8421"}`},
		"probes at another port":   {tree{"admin": tree{"port": 9999}}, `":9999"`},
		"another folder for state": {tree{"config": "server: {admin: {listen: \":8421\"}}\nstate: /data\n"}, "the volume is at /var/lib/groupsyncd"},
		"no image":                 {tree{"image": tree{"repository": ""}}, "repository"},
		"two replicas":             {tree{"replicas": 2}, "replicas"},
		"a word that is not known": {tree{"networkPolicy": tree{"egres": []any{}}}, "egres"},
		"a kill during a call":     {tree{"terminationGracePeriodSeconds": 30}, "terminationGracePeriodSeconds"},
		"many writers":             {tree{"state": tree{"accessMode": "ReadWriteMany"}}, "accessMode"},
		"a privileged port":        {tree{"admin": tree{"port": 80}}, "1,024"},
		"half a digest":            {tree{"image": tree{"digest": "sha256:123"}}, "digest"},
		"a file for a secret":      {tree{"files": tree{"secrets": "x"}}, "secrets"},
		"another configuration":    {tree{"files": tree{"groupsyncd.yaml": "x"}}, "groupsyncd.yaml"},
		"a public port unheard":    {tree{"public": tree{"enabled": true}}, "server.public.listen"},
		"an ingress to nothing":    {tree{"public": tree{"ingress": tree{"enabled": true, "host": "a.example.org"}}}, "public.enabled"},
		"an ingress without host":  {tree{"public": tree{"ingress": tree{"enabled": true}}}, "host"},
		"metrics without service":  {tree{"admin": tree{"service": tree{"enabled": false}}, "metrics": tree{"serviceMonitor": tree{"enabled": true}}}, "admin.service.enabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := render(t, values(t, "minimal.yaml", c.more))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it should say %q: %v", c.says, err)
			}
		})
	}
}

package helm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	sigsyaml "sigs.k8s.io/yaml"

	"groupsyncd/packaging/test/program"
)

// files are the values that every installation must work with.
var files = []string{"minimal.yaml", "everything.yaml"}

// Whatever is chosen: one daemon with one state, that cannot do more than it must.
func TestOneConfinedDaemon(t *testing.T) {
	t.Parallel()
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			r := install(t, values(t, file, nil))
			t.Logf("%d documents", r.documents)
			d := r.deployment.Spec
			if d.Replicas == nil || *d.Replicas != 1 || d.Strategy.Type != "Recreate" || d.Strategy.RollingUpdate != nil {
				t.Errorf("more than one daemon could have the state: %v replicas, %+v", d.Replicas, d.Strategy)
			}
			if got := d.Template.Spec.TerminationGracePeriodSeconds; got == nil || *got < 75 {
				t.Errorf("it is killed in the middle of a call, after %v s", got)
			}
			confined(t, &d.Template.Spec)
			confined(t, &r.job.Spec.Template.Spec)
			if r.account == nil || r.account.AutomountServiceAccountToken == nil || *r.account.AutomountServiceAccountToken {
				t.Error("the service account gives its token away")
			}
			if r.account.Name != d.Template.Spec.ServiceAccountName {
				t.Errorf("the account %s is made, %s is used", r.account.Name, d.Template.Spec.ServiceAccountName)
			}
			if d.Template.Spec.Containers[0].Resources.Limits.Memory().Cmp(resource.MustParse("512Mi")) < 0 {
				t.Error("a large read would be killed for its memory")
			}
		})
	}
}

// confined says that a pod has none of the rights that it does not need.
func confined(t *testing.T, pod *core.PodSpec) {
	t.Helper()
	s := pod.SecurityContext
	switch {
	case s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser != 65532 || s.RunAsGroup == nil || *s.RunAsGroup != 65532:
		t.Errorf("the user: %+v", s)
	case s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
		t.Errorf("system calls: %+v", s.SeccompProfile)
	case s.FSGroup == nil || *s.FSGroup != 65532 || s.FSGroupChangePolicy == nil || *s.FSGroupChangePolicy != core.FSGroupChangeOnRootMismatch:
		t.Errorf("the group of volumes: %v %v", s.FSGroup, s.FSGroupChangePolicy)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Error("it knows more of the cluster than it needs")
	}
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Error("it is in namespaces of the node")
	}
	for i := range pod.Containers {
		c := pod.Containers[i].SecurityContext
		if c == nil || c.AllowPrivilegeEscalation == nil || *c.AllowPrivilegeEscalation || c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem ||
			c.Privileged != nil || c.Capabilities == nil || len(c.Capabilities.Add) > 0 || len(c.Capabilities.Drop) != 1 || c.Capabilities.Drop[0] != "ALL" {
			t.Errorf("the container %s: %+v", pod.Containers[i].Name, c)
		}
	}
}

// The probes ask where the configuration says that the daemon listens, and nothing that
// depends on others.
func TestProbesReachTheAdminListener(t *testing.T) {
	t.Parallel()
	for file, port := range map[string]int32{"minimal.yaml": 8421, "everything.yaml": 9421} {
		c := install(t, values(t, file, nil)).deployment.Spec.Template.Spec.Containers[0]
		if len(c.Ports) == 0 || c.Ports[0].Name != "admin" || c.Ports[0].ContainerPort != port {
			t.Errorf("%s: ports %+v", file, c.Ports)
		}
		for name, want := range map[string]struct {
			probe *core.Probe
			path  string
		}{
			"startup": {c.StartupProbe, "/livez"}, "liveness": {c.LivenessProbe, "/livez"}, "readiness": {c.ReadinessProbe, "/readyz"},
		} {
			if p := want.probe; p == nil || p.HTTPGet == nil || p.HTTPGet.Path != want.path || p.HTTPGet.Port.StrVal != "admin" {
				t.Errorf("%s: the %s probe is %+v", file, name, want.probe)
			}
		}
	}
}

// What is secret comes from a Secret, as files that not everybody may read, and nothing in a
// ConfigMap or in the arguments is one.
func TestSecretsAreMountedAndNowhereElse(t *testing.T) {
	t.Parallel()
	for _, file := range files {
		r := install(t, values(t, file, nil))
		pod := r.deployment.Spec.Template.Spec
		found := false
		for _, v := range pod.Volumes {
			if v.Name == "secrets" {
				found = true
				if v.Secret == nil || v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o400 {
					t.Errorf("%s: the secrets are %+v", file, v.Secret)
				}
			}
		}
		if !found || mounted(&pod, "secrets") != "/etc/groupsyncd/secrets" || mounted(&pod, "config") != "/etc/groupsyncd" {
			t.Errorf("%s: mounts %+v", file, pod.Containers[0].VolumeMounts)
		}
		for _, m := range pod.Containers[0].VolumeMounts {
			if !m.ReadOnly && m.Name != "state" && m.Name != "tmp" {
				t.Errorf("%s: %s can be written", file, m.MountPath)
			}
		}
		for _, c := range r.configMaps {
			for name := range c.Data {
				if strings.Contains(name, "secret") || strings.HasSuffix(name, "key") {
					t.Errorf("%s: a ConfigMap has %s", file, name)
				}
			}
		}
	}
}

// A secret cannot even be written into the configuration by mistake: it is no valid one, and
// the job refuses it before anything is installed.
func TestLiteralSecretFailsValidation(t *testing.T) {
	t.Parallel()
	v := values(t, "minimal.yaml", nil)
	v["config"] = strings.Replace(text(t, v["config"]), "file:secrets/openwebui", "sk-0123456789", 1)
	r := install(t, v)
	out, code := program.Validate(t, r.configMaps["groups-groupsyncd-validate"].Data)
	if code != 2 || strings.Contains(out, "sk-0123456789") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func mounted(pod *core.PodSpec, volume string) string {
	for _, m := range pod.Containers[0].VolumeMounts {
		if m.Name == volume {
			return m.MountPath
		}
	}
	return ""
}

// The program itself takes the configuration that the pod and the job get, word for word.
func TestConfigurationLoadsInTheProgram(t *testing.T) {
	t.Parallel()
	for file, name := range map[string]string{"minimal.yaml": "groups-groupsyncd", "everything.yaml": "groups"} {
		given := values(t, file, nil)
		r := install(t, given)
		for _, m := range []string{name, name + "-validate"} {
			data := r.configMaps[m].Data
			if data["groupsyncd.yaml"] != text(t, given["config"]) {
				t.Errorf("%s: the configuration is not what was given:\n%s", file, data["groupsyncd.yaml"])
			}
			if out, code := program.Validate(t, data); code != 0 {
				t.Errorf("%s: exit %d\n%s", file, code, out)
			}
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	s, ok := v.(string)
	if !ok {
		t.Fatalf("%T is no text", v)
	}
	return s
}

// A job with the same image reads the new configuration before anything is replaced.
func TestConfigurationIsCheckedBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	r := install(t, values(t, "everything.yaml", nil))
	hook := r.job.Annotations["helm.sh/hook"]
	files := r.configMaps[r.job.Spec.Template.Spec.Volumes[0].ConfigMap.Name]
	if hook != "pre-install,pre-upgrade" || files == nil || files.Annotations["helm.sh/hook"] != hook || files.Annotations["helm.sh/hook-weight"] != "-1" {
		t.Errorf("the job runs at %q with %+v", hook, files)
	}
	c := r.job.Spec.Template.Spec.Containers[0]
	if got := strings.Join(c.Args, " "); got != "config validate --no-secrets" || c.Image != r.deployment.Spec.Template.Spec.Containers[0].Image {
		t.Errorf("the job runs %q of %s", got, c.Image)
	}
	if *r.job.Spec.BackoffLimit != 0 || r.job.Spec.Template.Spec.RestartPolicy != core.RestartPolicyNever {
		t.Error("the job tries again what cannot become right by itself")
	}
	for name, svc := range r.services {
		if covers(svc.Spec.Selector, r.job.Spec.Template.Labels) {
			t.Errorf("the service %s sends to the job", name)
		}
	}
	off := install(t, values(t, "minimal.yaml", map[string]any{"validate": map[string]any{"enabled": false}}))
	if off.job != nil || len(off.configMaps) != 1 {
		t.Error("the job cannot be switched off")
	}
}

// covers says whether a selector finds something with these labels.
func covers(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// A changed configuration restarts the pod, and nothing else does.
func TestChangedConfigurationRestarts(t *testing.T) {
	t.Parallel()
	sum := func(more map[string]any) string {
		return install(t, values(t, "minimal.yaml", more)).deployment.Spec.Template.Annotations["checksum/config"]
	}
	same := sum(nil)
	if same == "" || sum(map[string]any{"files": map[string]any{"ca.pem": "x"}}) == same {
		t.Error("a changed file leaves the old pod running")
	}
	if sum(map[string]any{"networkPolicy": map[string]any{"enabled": false}}) != same {
		t.Error("what is no configuration restarts the pod")
	}
}

// Nobody gets in but who is named; whatever selects the daemon finds it.
func TestNetworkIsClosed(t *testing.T) {
	t.Parallel()
	r := install(t, values(t, "minimal.yaml", nil))
	p := r.policy.Spec
	if len(p.Ingress) != 0 || len(p.PolicyTypes) != 1 || p.PolicyTypes[0] != networking.PolicyTypeIngress {
		t.Errorf("who gets in by default: %+v", p)
	}
	if len(r.services) != 1 || r.services["groups-groupsyncd-admin"] == nil || r.ingress != nil {
		t.Errorf("services: %v", r.services)
	}

	r = install(t, values(t, "everything.yaml", nil))
	p = r.policy.Spec
	if len(p.Ingress) != 2 || len(p.Ingress[0].From) != 1 || len(p.Ingress[1].From) != 1 || p.Ingress[0].Ports[0].Port.StrVal != "admin" || p.Ingress[1].Ports[0].Port.StrVal != "public" {
		t.Errorf("who gets in: %+v", p.Ingress)
	}
	if len(p.Egress) != 2 || len(p.Egress[0].Ports) != 2 || p.Egress[1].To[0].IPBlock.CIDR != "198.51.100.0/24" {
		t.Errorf("where it may go: %+v", p.Egress)
	}
	labels := r.deployment.Spec.Template.Labels
	if !covers(p.PodSelector.MatchLabels, labels) || !covers(r.deployment.Spec.Selector.MatchLabels, labels) {
		t.Error("the policy or the deployment does not find the pod")
	}
	ports := map[string]bool{}
	for _, c := range r.deployment.Spec.Template.Spec.Containers[0].Ports {
		ports[c.Name] = true
	}
	for name, s := range r.services {
		if !covers(s.Spec.Selector, labels) || !ports[s.Spec.Ports[0].TargetPort.StrVal] {
			t.Errorf("the service %s does not reach the pod: %+v", name, s.Spec)
		}
	}
	for _, path := range r.ingress.Spec.Rules[0].HTTP.Paths {
		s := r.services[path.Backend.Service.Name]
		if s == nil || s.Labels["app.kubernetes.io/component"] != "public" || path.Backend.Service.Port.Name != s.Spec.Ports[0].Name {
			t.Errorf("%s leads to %+v", path.Path, path.Backend.Service)
		}
	}
	if admin := r.services["groups-admin"]; !covers(r.monitor.Spec.Selector.MatchLabels, admin.Labels) || r.monitor.Spec.Endpoints[0].Port != admin.Spec.Ports[0].Name {
		t.Errorf("Prometheus does not find the metrics: %+v", r.monitor.Spec)
	}
}

// The alert rules are those of packaging/monitoring, word for word, and find the metrics by
// the name of the job.
func TestAlertRulesComeAlong(t *testing.T) {
	t.Parallel()
	r := install(t, values(t, "everything.yaml", nil))
	text, err := os.ReadFile(filepath.Join(program.Root, "packaging", "monitoring", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var want monitoring.PrometheusRuleSpec
	if err := sigsyaml.UnmarshalStrict(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Groups) == 0 || !equality.Semantic.DeepEqual(r.rule.Spec, want) {
		t.Errorf("the rules differ: %+v", r.rule.Spec)
	}
	if l := r.monitor.Spec.Endpoints[0].RelabelConfigs; len(l) != 1 || l[0].TargetLabel != "job" || *l[0].Replacement != "groupsyncd" {
		t.Errorf("the job is called otherwise: %+v", l)
	}
}

// The state survives what is done to the release.
func TestVolumeStays(t *testing.T) {
	t.Parallel()
	r := install(t, values(t, "minimal.yaml", nil))
	if r.claim.Annotations["helm.sh/resource-policy"] != "keep" || r.claim.Spec.AccessModes[0] != core.ReadWriteOnce || r.claim.Spec.StorageClassName != nil {
		t.Errorf("the claim is %+v", r.claim)
	}
	if !strings.Contains(r.notes, "leaves the volume") {
		t.Errorf("nobody is told:\n%s", r.notes)
	}
	r = install(t, values(t, "minimal.yaml", map[string]any{"state": map[string]any{"existingClaim": "mine"}}))
	claim := ""
	for _, v := range r.deployment.Spec.Template.Spec.Volumes {
		if v.Name == "state" {
			claim = v.PersistentVolumeClaim.ClaimName
		}
	}
	if r.claim != nil || claim != "mine" {
		t.Errorf("a volume of one's own: %v, %s is used", r.claim, claim)
	}
}

// What "helm lint" says of the chart is nothing, which it does not say of many.
func TestHelmLintsTheChart(t *testing.T) {
	t.Parallel()
	for _, file := range files {
		for _, m := range lint.RunAll(chartDir, values(t, file, nil), "chat").Messages {
			// An icon is for catalogues.
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", file, m)
			}
		}
	}
}

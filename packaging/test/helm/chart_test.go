package helm

import (
	"bufio"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// chartDir is where the chart is, as this package sees it.
const chartDir = "../../helm/groupsyncd"

// release is what the chart makes of some values.
type release struct {
	deployment *apps.Deployment
	job        *batch.Job
	claim      *core.PersistentVolumeClaim
	account    *core.ServiceAccount
	policy     *networking.NetworkPolicy
	ingress    *networking.Ingress
	monitor    *monitoring.ServiceMonitor
	rule       *monitoring.PrometheusRule
	configMaps map[string]*core.ConfigMap
	services   map[string]*core.Service
	notes      string
	documents  int
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// values reads a file of values and lays more over it.
func values(t *testing.T, file string, more map[string]any) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "ci", file))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := sigsyaml.UnmarshalStrict(text, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return util.MergeTables(more, v)
}

// render does what "helm template" does.
func render(t *testing.T, given map[string]any) (map[string]string, error) {
	t.Helper()
	c := load(t)
	v, err := util.ToRenderValues(c, given, common.ReleaseOptions{Name: "groups", Namespace: "chat", IsInstall: true, Revision: 1}, nil)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.RenderWithContext(t.Context(), c, v)
}

// install renders, and decodes every document as the Kubernetes that it is for does: a
// field that it does not know is an error.
func install(t *testing.T, given map[string]any) *release {
	t.Helper()
	files, err := render(t, given)
	if err != nil {
		t.Fatal(err)
	}
	r := &release{configMaps: map[string]*core.ConfigMap{}, services: map[string]*core.Service{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch base := filepath.Base(name); {
		case base == "NOTES.txt":
			r.notes = files[name]
		case strings.HasSuffix(base, ".yaml"):
			r.decodeFile(t, name, files[name])
		case strings.TrimSpace(files[name]) != "":
			t.Errorf("%s makes something that nobody installs: %q", name, files[name])
		}
	}
	return r
}

func (r *release) decodeFile(t *testing.T, name, text string) {
	t.Helper()
	documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		doc, err := documents.Read()
		if err == io.EOF { //nolint:errorlint // the reader gives it as it is
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var kind meta.TypeMeta
		if err := sigsyaml.Unmarshal(doc, &kind); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, doc)
		}
		if kind.Kind == "" {
			continue // nothing but comments
		}
		r.documents++
		r.keep(t, name, kind, doc)
	}
}

// keep decodes one document.
func (r *release) keep(t *testing.T, name string, kind meta.TypeMeta, doc []byte) {
	t.Helper()
	switch kind.APIVersion + " " + kind.Kind {
	case "apps/v1 Deployment":
		r.deployment = decode[apps.Deployment](t, name, doc)
	case "batch/v1 Job":
		r.job = decode[batch.Job](t, name, doc)
	case "v1 PersistentVolumeClaim":
		r.claim = decode[core.PersistentVolumeClaim](t, name, doc)
	case "v1 ServiceAccount":
		r.account = decode[core.ServiceAccount](t, name, doc)
	case "networking.k8s.io/v1 NetworkPolicy":
		r.policy = decode[networking.NetworkPolicy](t, name, doc)
	case "networking.k8s.io/v1 Ingress":
		r.ingress = decode[networking.Ingress](t, name, doc)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		r.monitor = decode[monitoring.ServiceMonitor](t, name, doc)
	case "monitoring.coreos.com/v1 PrometheusRule":
		r.rule = decode[monitoring.PrometheusRule](t, name, doc)
	case "v1 ConfigMap":
		c := decode[core.ConfigMap](t, name, doc)
		r.configMaps[c.Name] = c
	case "v1 Service":
		s := decode[core.Service](t, name, doc)
		r.services[s.Name] = s
	default:
		t.Fatalf("%s: nobody looks at a %s of %s", name, kind.Kind, kind.APIVersion)
	}
}

func decode[T any](t *testing.T, name string, doc []byte) *T {
	t.Helper()
	var v T
	if err := sigsyaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, doc)
	}
	return &v
}

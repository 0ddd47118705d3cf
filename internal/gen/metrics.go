package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const metricsHead = `# Metrics

Made by ` + "`go generate ./...`" + ` from the program's own list. ` + "`GET /metrics`" + ` on the admin listener (` + "`server.admin.listen`" + `, 127.0.0.1:8421)
answers anybody: it names no people, groups or secrets. The same path has the usual ` + "`go_`" + ` and ` + "`process_`" + ` metrics.

- Counters begin at zero with the process, for every source, target and webhook of the configuration, and are forgotten with it.
- Times are Unix times, not ages: ` + "`time() - groupsyncd_source_last_complete_timestamp_seconds`" + ` is an age. What never happened is absent.
- Values of labels are names of the configuration file or words of the program, but for the two of ` + "`groupsyncd_audit_head_info`" + ` and those of
  ` + "`groupsyncd_build_info`" + `. The first makes a new series whenever something is recorded; whoever keeps the audit's head elsewhere can drop it
  with ` + "`metric_relabel_configs`" + `.
- A scrape asks no directory and no Open WebUI. One that comes while a look at Open WebUI goes on shows what was known before.

Rules, a dashboard and an example for Prometheus are in [packaging/monitoring](../packaging/monitoring); what each alert means is in
[alerts.md](alerts.md).
`

const metricsLabels = `
## Labels

| label | values |
|---|---|
| ` + "`source`, `target`, `webhook`, `service`, `name`" + ` | what the configuration calls them; ` + "`name`" + ` is ` + "`public`" + ` for the public listener |
| ` + "`kind`" + ` | of reads: ` + "`full`, `changes`" + `; of credentials: whose they are, ` + "`source`, `target`, `listener`" + `; of notices: ` + "`held`, `failed`, `stale`, `recovered`, `privileged`, `state`" + ` |
| ` + "`scope`" + ` | ` + "`all`" + `, ` + "`person`" + ` |
| ` + "`trigger`" + ` | ` + "`manual`, `schedule`, `webhook`, `watch`, `reload`, `confirm`, `push`, `other`" + ` |
| ` + "`result`" + ` of runs | ` + "`ok`, `partly`, `held`, `source`, `target`, `state`, `stale`, `interrupted`, `failed`" + `, as the exit codes of ` + "`sync`" + ` |
| ` + "`result`" + ` of requests, ` + "`reason`" + ` | ` + "`ok`" + `; ` + "`invalid`, `auth`, `throttled`, `unavailable`, `incomplete`, `conflict`, `not_found`, `canceled`, `damaged`, `other`" + ` |
| ` + "`result`" + ` of webhooks and provisioning | ` + "`accepted`, `ignored`, `repeated`, `handshake`, `refused`, `unknown`, `unreadable`, `method`, `too_long`, `too_many`, `busy`, `failed`" + ` |
| ` + "`result`" + ` of notices | ` + "`sent`, `failed`, `expired`" + ` |
| ` + "`op`" + ` | the kinds of change in a report: ` + "`create_group`, `add_member`, `remove_member`, …" + ` |
| ` + "`check`" + ` | the checks of the guard: ` + "`max_people`, `unruled`, …" + ` |
| ` + "`credential`" + ` | ` + "`server_certificate`" + ` (theirs; the listener's own), ` + "`client_certificate`, `token`" + ` (ours) |
`

// metricsReference writes down every metric: a line of JSON each, as the program lists them.
func metricsReference(list []byte) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(metricsHead)
	out.WriteString("\n| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n")
	d := json.NewDecoder(bytes.NewReader(list))
	for n := 0; ; n++ {
		var m struct {
			Name, Type, Unit, Help string
			Labels                 []string
		}
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF) && n > 0:
			out.WriteString(metricsLabels)
			return out.Bytes(), nil
		case err != nil:
			return nil, fmt.Errorf("read the list of metrics: %w", err)
		}
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Type, labels, m.Unit, strings.ReplaceAll(m.Help, "|", `\|`))
	}
}

{{- define "groupsyncd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of everything: that of the release, with ours where it is not in there. */}}
{{- define "groupsyncd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "groupsyncd.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "groupsyncd.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "groupsyncd.selector" -}}
app.kubernetes.io/name: {{ include "groupsyncd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "groupsyncd.labels" -}}
{{ include "groupsyncd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "groupsyncd.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "groupsyncd.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "groupsyncd.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What the folder /etc/groupsyncd holds. */}}
{{- define "groupsyncd.files" -}}
groupsyncd.yaml: {{ .Values.config | quote }}
{{- range $name, $text := .Values.files }}
{{ $name | quote }}: {{ $text | quote }}
{{- end }}
{{- end -}}

{{/* Nobody in the pod is more than user 65532. */}}
{{- define "groupsyncd.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
# Volumes and secrets are given to this group. Only when a volume is new: the daemon refuses a
# key of its own that others than it may use.
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "groupsyncd.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Mistakes that would else show as a pod that is restarted again and again. */}}
{{- define "groupsyncd.check" -}}
{{- $config := fromYaml .Values.config -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "\n\nconfig: this is no YAML: %s\n" $config.Error) -}}
{{- end -}}
{{- $server := default dict (get $config "server") -}}
{{- $admin := toString (dig "admin" "listen" "" $server) -}}
{{- if not (has $admin (list (printf ":%v" .Values.admin.port) (printf "0.0.0.0:%v" .Values.admin.port) (printf "[::]:%v" .Values.admin.port))) -}}
{{- fail (printf "\n\nconfig: server.admin.listen is %q, and the probes of Kubernetes would not reach it.\nWrite this into groupsyncd.yaml:\n\n    server:\n      admin: {listen: \":%v\"}\n\nNobody but the probes gets there unless networkPolicy.admin.from says so.\n" $admin .Values.admin.port) -}}
{{- end -}}
{{- $public := toString (dig "public" "listen" "" $server) -}}
{{- if and .Values.public.enabled (not (hasSuffix (printf ":%v" .Values.public.port) $public)) -}}
{{- fail (printf "\n\npublic.enabled: config says server.public.listen %q, and not port %v of public.port.\n" $public .Values.public.port) -}}
{{- end -}}
{{- if ne (toString (default "/var/lib/groupsyncd" (get $config "state"))) "/var/lib/groupsyncd" -}}
{{- fail (printf "\n\nconfig: state is %q, and the volume is at /var/lib/groupsyncd. Leave the key out.\n" (toString $config.state)) -}}
{{- end -}}
{{- if and .Values.public.ingress.enabled (not .Values.public.enabled) -}}
{{- fail "\n\npublic.ingress.enabled needs public.enabled.\n" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.admin.service.enabled) -}}
{{- fail "\n\nmetrics.serviceMonitor.enabled needs admin.service.enabled.\n" -}}
{{- end -}}
{{- end -}}

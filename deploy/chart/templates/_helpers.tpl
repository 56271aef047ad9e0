{{/* Names, and the one description of a pod that every process and every job has. */}}

{{- define "tonebridge.table" -}}{{ .Files.Get "processes.yaml" }}{{- end }}

{{/* The selector of a process: (dict "root" $ "name" "gateway"), with "track" if a canary is told apart. */}}
{{- define "tonebridge.selector" -}}
app.kubernetes.io/name: tonebridge
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- with .track }}
track: {{ . }}
{{- end }}
{{- end }}

{{- define "tonebridge.labels" -}}
{{ include "tonebridge.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "tonebridge.metadata" -}}
name: {{ .root.Release.Name }}-{{ .name }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "tonebridge.labels" . | nindent 2 }}
{{- end }}

{{/* An image: (dict "root" $ "image" "gateway"), with "tag" and "digest" of a canary. */}}
{{- define "tonebridge.image" -}}
{{- $image := .root.Values.image -}}
{{- $registry := required "image.registry: say where the images are, such as ghcr.io/OWNER/REPOSITORY" $image.registry -}}
{{- $digest := .digest | default (ternary "" (index $image.digests .image) (not (empty .tag))) -}}
{{- if $digest -}}
{{ $registry }}/{{ .image }}@{{ $digest }}
{{- else -}}
{{ $registry }}/{{ .image }}:{{ .tag | default $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The work pools that are switched on, by name: their values. */}}
{{- define "tonebridge.pools" -}}
{{- range $pool, $values := .Values.workPools -}}
{{- if $values.enabled }}
{{ $pool }}: {{ $values | toJson }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The variables that the chart computes; those of a process are in its `settings` (processes.yaml). An empty one is not set. */}}
{{- define "tonebridge.computed" -}}
{{- $name := .Release.Name -}}
{{- $hosts := list "localhost" -}}
{{- range $process, $host := .Values.hosts -}}{{- if $host -}}{{- $hosts = append $hosts $host -}}{{- end -}}{{- end -}}
{{- $inference := .Values.inferenceUrls -}}
{{- if .Values.processes.inference.enabled -}}{{- $inference = list (printf "http://%s-inference:3000" $name) -}}{{- end -}}
TONEBRIDGE_GATEWAY_URL: http://{{ $name }}-gateway:8080
TONEBRIDGE_INFERENCE_URLS: {{ $inference | toJson | quote }}
TONEBRIDGE_PUBLIC_URL: {{ with .Values.hosts.gateway }}https://{{ . }}{{ end }}
TONEBRIDGE_WEB_URL: {{ with .Values.hosts.web }}https://{{ . }}{{ end }}
TONEBRIDGE_DASHBOARD_URL: {{ with .Values.hosts.dashboard }}https://{{ . }}{{ end }}
TONEBRIDGE_CHANNELS_URL: {{ with .Values.hosts.channels }}https://{{ . }}{{ end }}
TONEBRIDGE_ALLOWED_HOSTS: {{ $hosts | toJson | quote }}
TONEBRIDGE_TRUSTED_PROXIES: {{ .Values.trustedProxies | toJson | quote }}
TONEBRIDGE_MLFLOW_URI: http://{{ $name }}-mlflow:5000
TONEBRIDGE_ARTIFACT_LOCATION: {{ .Values.artifactLocation }}
MLFLOW_SERVER_ALLOWED_HOSTS: {{ $name }}-mlflow:5000,localhost:*,127.0.0.1:*
PREFECT_API_URL: http://{{ $name }}-prefect:4200/api
TONEBRIDGE_WORK_POOL: {{ if .Values.workPools.flows.enabled }}{{ $name }}-flows{{ end }}
TONEBRIDGE_TRAINING_POOL: {{ if .Values.workPools.training.enabled }}{{ $name }}-training{{ end }}
PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES: {{ .Release.Namespace }}
PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ADDITIONAL_LABEL_FILTERS: app.kubernetes.io/instance={{ $name }}
PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_FORWARD_CRASHED_RUN_LOGS: "false" # it may not read them
PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_NAME: {{ .Values.secrets.prefect }} # and not its value, in the Jobs
PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_KEY: PREFECT_API_AUTH_STRING
BENTOML_HOME: /tmp/bentoml # where it writes; versions are read from /state
PREFECT_HOME: /tmp/prefect
PREFECT_SERVER_CORS_ALLOWED_ORIGINS: http://127.0.0.1:4200
PREFECT_SERVER_CSRF_PROTECTION_ENABLED: "true"
{{- end }}

{{/* The variables of a process: computed ones, those of values.yaml, and keys of Secrets by reference. */}}
{{- define "tonebridge.environment" -}}
{{- $root := .root -}}
{{- $computed := include "tonebridge.computed" $root | fromYaml -}}
{{- $optional := (include "tonebridge.table" $root | fromYaml).optional -}}
{{- $plain := dict -}}
{{- range $name := .process.settings -}}
{{- if index $computed $name -}}{{- $_ := set $plain $name (index $computed $name) -}}{{- end -}}
{{- end -}}
{{- range $settings := list $root.Values.settings (.values.settings | default dict) -}}
{{- range $name, $value := $settings -}}{{- $_ := set $plain (printf "TONEBRIDGE_%s" $name) $value -}}{{- end -}}
{{- end -}}
{{- range $name, $value := $plain }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $secret, $keys := .process.secrets }}
{{- range $key := $keys }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef:
      name: {{ index $root.Values.secrets $secret }}
      key: {{ $key }}
      {{- if has $key $optional }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The pod of a process or a job: (dict "root" $ "name" "gateway" "process" <of processes.yaml> "values" <of values.yaml>),
with "tag" and "digest" of a canary. The image has no shell and no user but 65532, writes to /tmp and /state only, and calls no
API of Kubernetes. Links to services are off: one named tonebridge-gateway would set TONEBRIDGE_GATEWAY_PORT to an address.
*/}}
{{- define "tonebridge.pod" -}}
{{- $root := .root -}}
{{- $process := .process -}}
serviceAccountName: {{ $root.Release.Name }}-{{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 35
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not .job }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "tonebridge.selector" . | nindent 8 }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "tonebridge.selector" . | nindent 14 }}
{{- end }}
containers:
  - name: {{ .name }}
    image: {{ include "tonebridge.image" (dict "root" $root "image" $process.image "tag" .tag "digest" .digest) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: {{- toYaml $process.command | nindent 6 }}
    {{- with include "tonebridge.environment" . }}
    env: {{- . | trim | nindent 6 }}
    {{- end }}
    {{- $whole := list }}
    {{- range $process.all_keys }}{{ with index $root.Values.secrets . }}{{ $whole = append $whole . }}{{ end }}{{ end }}
    {{- with $whole }}
    envFrom:
    {{- range . }}
      - secretRef: {name: {{ . }}}
    {{- end }}
    {{- end }}
    {{- if and $process.port (not .job) }}
    ports:
      - name: http
        containerPort: {{ $process.port }}
    startupProbe:
      httpGet: {{- include "tonebridge.probe" $process.probes.live | nindent 8 }}
      periodSeconds: 2
      failureThreshold: 90
    livenessProbe:
      httpGet: {{- include "tonebridge.probe" $process.probes.live | nindent 8 }}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    # Without Postgres a gateway is not ready, and still answers what is cached for a minute: so long it stays in service.
    # A pod that ends leaves the service at once, whatever this probe says.
    readinessProbe:
      httpGet: {{- include "tonebridge.probe" $process.probes.ready | nindent 8 }}
      periodSeconds: 5
      timeoutSeconds: 2
      failureThreshold: 12
    # Until every node knows that the pod has left, it is still sent requests.
    lifecycle:
      preStop:
        sleep: {seconds: 5}
    {{- end }}
    resources: {{- toYaml .values.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- if $process.state }}
      - {name: state, mountPath: /state, readOnly: {{ eq $process.state "read" }}}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: {{ eq $process.image "flows" | ternary "8Gi" "1Gi" }}}
  {{- if $process.state }}
  - name: state
    persistentVolumeClaim:
      claimName: {{ $root.Values.state.existingClaim | default (printf "%s-state" $root.Release.Name) }}
  {{- end }}
{{- end }}

{{/* A request of the kubelet. MLflow answers only to its own names; the others take any. */}}
{{- define "tonebridge.probe" -}}
path: {{ . }}
port: http
httpHeaders: [{name: Host, value: localhost}]
{{- end }}

{{/* How many pods a process has at least: what its budget for disruptions counts with. */}}
{{- define "tonebridge.pods" -}}
{{- if (.values.autoscaling | default dict).enabled -}}{{ .values.autoscaling.min }}{{- else -}}{{ .values.replicas | default 1 }}{{- end -}}
{{- end }}

{{/* How Argo Rollouts brings a new gateway into use, and takes it back when the analysis fails. */}}
{{- define "tonebridge.strategy" -}}
{{- $name := printf "%s-gateway" .Release.Name -}}
{{- $rollout := .Values.rollout -}}
strategy:
  {{- if eq $rollout.strategy "blueGreen" }}
  blueGreen:
    activeService: {{ $name }}
    previewService: {{ $name }}-canary
    autoPromotionEnabled: true
    scaleDownDelaySeconds: 600 # so long the former pods wait for a way back
    postPromotionAnalysis: {{- include "tonebridge.analysis" . | nindent 6 }}
  {{- else }}
  canary:
    stableService: {{ $name }}
    canaryService: {{ $name }}-canary
    maxSurge: 1
    maxUnavailable: 0
    {{- if eq .Values.mesh "istio" }}
    trafficRouting:
      istio:
        virtualService: {name: {{ $name }}, routes: [primary]}
    {{- else if .Values.gatewayApi.parents }}
    trafficRouting:
      plugins: # argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi, which the controller loads
        argoproj-labs/gatewayAPI: {httpRoute: {{ $name }}, namespace: {{ .Release.Namespace }}}
    {{- end }}
    steps:
    {{- range $percent := $rollout.steps }}
      - setWeight: {{ $percent }}
      - analysis: {{- include "tonebridge.analysis" $ | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* The analysis of the newest pods alone: a PodMonitor gives their hash to each of their series. */}}
{{- define "tonebridge.analysis" -}}
templates:
  - templateName: {{ .Release.Name }}-gateway
args:
  - name: hash
    valueFrom: {podTemplateHashValue: Latest}
{{- end }}

{{/* The pods of a process of this release: (dict "root" $ "name" "gateway") */}}
{{- define "tonebridge.peer" -}}
podSelector:
  matchLabels: {{- include "tonebridge.selector" . | nindent 4 }}
{{- end }}

{{- define "rolekeeper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "rolekeeper.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "rolekeeper.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "rolekeeper.selector" -}}
app.kubernetes.io/name: {{ include "rolekeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rolekeeper.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "rolekeeper.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "rolekeeper.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rolekeeper.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "rolekeeper.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* SQLite has one writer and one volume; with PostgreSQL nothing is kept in the pod. */ -}}
{{- define "rolekeeper.embedded" -}}
{{- if not .Values.store.urlSecret -}}true{{- end -}}
{{- end -}}

{{- /* The pod of both modes: `dict "root" $ "args" (list …)`. */ -}}
{{- define "rolekeeper.podSpec" -}}
{{- $root := .root -}}
{{- with $root.Values -}}
serviceAccountName: {{ include "rolekeeper.serviceAccount" $root }}
terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml .podSecurityContext | nindent 2 }}
{{- with .imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: rolekeeper
    image: {{ include "rolekeeper.image" $root }}
    imagePullPolicy: {{ .image.pullPolicy }}
    args:
      - --config=/etc/rolekeeper/rolekeeper.toml
      - --log-format={{ .logFormat }}
      {{- range $.args }}
      - {{ . }}
      {{- end }}
    env:
      {{- if include "rolekeeper.embedded" $root }}
      - name: ROLEKEEPER__STORE__URL
        value: sqlite:/var/lib/rolekeeper/rolekeeper.db
      {{- else }}
      - name: ROLEKEEPER__STORE__URL
        valueFrom:
          secretKeyRef:
            name: {{ .store.urlSecret }}
            key: {{ .store.urlKey }}
      {{- end }}
      {{- if eq .mode "daemon" }}
      - name: ROLEKEEPER__HTTP__LISTEN
        value: 0.0.0.0:9464
      - name: ROLEKEEPER__HTTP__TOKEN_FILE
        value: /etc/rolekeeper/secrets/token
      {{- end }}
      {{- with .extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    {{- if eq .mode "daemon" }}
    ports:
      - name: http
        containerPort: 9464
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 2
      failureThreshold: 30
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
    {{- end }}
    resources:
      {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      - name: config
        mountPath: /etc/rolekeeper/rolekeeper.toml
        subPath: rolekeeper.toml
        readOnly: true
      - name: secrets
        mountPath: /etc/rolekeeper/secrets
        readOnly: true
      - name: state
        mountPath: /var/lib/rolekeeper
      - name: tmp
        mountPath: /tmp
      {{- with .extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "rolekeeper.fullname" $root }}
  - name: secrets
    secret:
      secretName: {{ .existingSecret }}
      defaultMode: 0440
  - name: state
    {{- if include "rolekeeper.embedded" $root }}
    persistentVolumeClaim:
      claimName: {{ default (include "rolekeeper.fullname" $root) .store.persistence.existingClaim }}
    {{- else }}
    emptyDir: {}
    {{- end }}
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- with .extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/*
Who logs in to the database with what. Each program has a Secret of its own: one that is shared gives
each of them the rights of the other, and the schema's owner may do everything. Takes $.
*/}}
{{- define "escrow.databaseSecretsAreApart" -}}
{{- $database := .Values.database -}}
{{- $programs := dict -}}
{{- range $path, $login := dict "database.reader" $database.reader "database.service" $database.service "database.worker" $database.worker -}}
{{- with $login.existingSecret -}}
{{- if eq . $.Values.migrations.existingSecret -}}
{{- fail (printf "%s.existingSecret is %q, which is that of the schema's owner (migrations.existingSecret): give the program a login of its own, for the owner may change the books" $path .) -}}
{{- end -}}
{{- if hasKey $programs . -}}
{{- fail (printf "%s.existingSecret and %s.existingSecret are both %q: give each program a login of its own" (get $programs .) $path .) -}}
{{- end -}}
{{- $_ := set $programs . $path -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a program logs in with: database.<program>, and of the migrations theirs. Takes (list $ "service"). */}}
{{- define "escrow.databaseLogin" -}}
{{- $root := index . 0 -}}
{{- $owner := eq (index . 1) "migrate" -}}
{{- $path := ternary "migrations" (printf "database.%s" (index . 1)) $owner -}}
{{- $login := ternary $root.Values.migrations (index $root.Values.database (index . 1)) $owner -}}
{{- include "escrow.databaseSecretsAreApart" $root -}}
{{- $secret := required (printf "%s.existingSecret is required: the Secret that holds the PostgreSQL URL of a login of its own" $path) $login.existingSecret -}}
- name: ESCROW_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ $login.urlKey }}
{{- with $login.directUrlKey }}
- name: ESCROW_DIRECT_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
{{- end }}
{{- if $login.passwordKey }}
- name: ESCROW_DATABASE_PASSWORD_FILE
  value: /etc/escrow/database/password
{{- end }}
{{- end -}}

{{/* A folder and not a variable, so that a new password is there while the pod runs. Takes the login. */}}
{{- define "escrow.databaseMount" -}}
{{- if .passwordKey }}
- {name: database, mountPath: /etc/escrow/database, readOnly: true}
{{- end }}
{{- end -}}

{{- define "escrow.databaseVolume" -}}
{{- if .passwordKey }}
- name: database
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .existingSecret }}
          items:
            - {key: {{ .passwordKey | quote }}, path: password}
{{- end }}
{{- end -}}

{{/* How the database is used by what works with it. Takes $. */}}
{{- define "escrow.databaseEnvironment" -}}
- name: ESCROW_DATABASE_ENGINE
  value: {{ .Values.database.engine | quote }}
- name: ESCROW_DATABASE_ROLE
  value: {{ .Values.database.role | quote }}
- name: ESCROW_PGBOUNCER
  value: {{ .Values.database.pgbouncer | quote }}
{{- end -}}

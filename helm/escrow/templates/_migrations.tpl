{{/*
The annotations of what migrates, and of what it needs: made before anything else of the release.
Takes the weight, which orders hooks.
*/}}
{{- define "escrow.migrateHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/*
Every process that the release runs. What each is given is in _environment.tpl.

image     whose image
args      after `python -m`
http      serves requests for others: gets a Service
metrics   has a port of its own for /metrics
ready     the readiness path; the gateway serves pages and media with Redis or a service away, so
          that its own /ready, which asks all of them, would take it out of service for nothing
needs     what it is given the address and the secret of, and may reach
role      its login to the database
schemas   the modules whose migrations it waits for
*/}}
{{- define "cinelog.components" -}}
gateway:
  image: gateway
  args: [services.gateway.main]
  http: true
  metrics: true
  ready: /health
  needs: [redis, s3, tokens, grants, auth, ingest, catalog, planner]
auth:
  image: auth
  args: [services.auth.main]
  http: true
  ready: /ready
  needs: [postgresql, redis]
  role: auth
  schemas: [shared.event_store, services.auth]
ingest:
  image: ingest
  args: [services.ingest.main]
  http: true
  ready: /ready
  needs: [postgresql, rabbitmq, s3, tokens, operator, auth]
  role: ingest
  schemas: [shared.event_store, services.ingest]
catalog:
  image: catalog
  args: [services.catalog.main, api]
  http: true
  ready: /ready
  needs: [postgresql, tokens, grants, auth]
  role: catalog
  schemas: [shared.event_store, services.catalog]
projector:
  image: catalog
  args: [services.catalog.main, projector]
  metrics: true
  ready: /ready
  needs: [postgresql, rabbitmq, grants, webhooks]
  role: catalog
  schemas: [shared.event_store, services.catalog]
planner:
  image: transcoder
  args: [services.transcoder.main, planner]
  http: true
  ready: /ready
  needs: [postgresql, rabbitmq, s3, tokens, operator, auth]
  role: transcoder
  schemas: [shared.event_store, services.transcoder]
worker:
  image: transcoder
  args: [services.transcoder.main, worker]
  metrics: true
  ready: /ready
  needs: [postgresql, rabbitmq, s3]
  role: transcoder
  schemas: [shared.event_store, services.transcoder]
relay:
  image: relay
  args: [services.relay.main]
  metrics: true
  ready: /ready
  needs: [postgresql, rabbitmq{{ if .Values.s3.archiveBucket }}, s3{{ end }}]
  role: relay
  schemas: [shared.event_store]
reconciler:
  image: operator
  args: [services.operator.main, reconciler]
  metrics: true
  ready: /ready
  needs: [postgresql, operator, ingest, planner]
  role: operator
  schemas: [shared.event_store]
{{- end -}}

{{/* The services that own tables, in the order of their migrations. */}}
{{- define "cinelog.migrated" -}}
[auth, catalog, ingest, transcoder]
{{- end -}}

{{- define "cinelog.roles" -}}
[auth, catalog, ingest, operator, relay, transcoder]
{{- end -}}

{{/* A component's values over the defaults: takes root and component. */}}
{{- define "cinelog.componentValues" -}}
{{- $own := get .root.Values.components .component | default dict -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) | toYaml -}}
{{- end -}}

{{/* keda, hpa or none. */}}
{{- define "cinelog.workerScaling" -}}
{{- $mode := .Values.worker.autoscaling.mode -}}
{{- $asked := or (ne .Values.rabbitmq.mode "external") (ne .Values.rabbitmq.external.managementUrlKey "") -}}
{{- if ne $mode "auto" -}}
{{- $mode -}}
{{- else if and $asked (.Capabilities.APIVersions.Has "keda.sh/v1alpha1") -}}
keda
{{- else -}}
hpa
{{- end -}}
{{- end -}}

{{/* On one cluster-wide external database setup runs as a hook, else as a Job among the others. */}}
{{- define "cinelog.setupIsHook" -}}
{{- if eq .Values.postgresql.mode "external" }}true{{ end -}}
{{- end -}}

/** The report of `synthesizer` when the step has no template: Liquid over `title`, `summary` and `sections`. */
export const INCIDENT_REPORT = `# {{ title }}

**Status: {{ summary.status | upcase }}** · {{ summary.generated_at }}

{% for section in sections -%}
{% if section.kind == "value" %}- **{{ section.title }}:** {{ section.data | cell }}
{% endif %}
{%- endfor %}
{% assign judged = sections | where_exp: "section", "section.kind == 'status' or section.kind == 'logs'" -%}
{% if judged.size > 0 or sections.size == 0 -%}
## Findings
{% for finding in summary.findings %}
- {{ finding | cell }}
{%- else %}
Nothing stands out.
{%- endfor %}
{%- endif %}

{% for section in sections %}
{%- if section.kind == "value" %}{% continue %}{% endif %}
## {{ section.title }}
{% case section.kind %}
{%- when "status" %}
{% if section.data.services.size > 0 -%}
| Service | Status | Code | Latency |
|---|---|---|---|
{% for service in section.data.services -%}
| {{ service.name | cell }} | {{ service.status }} | {{ service.code | default: "–" }} | {{ service.latency_ms | default: "–" }} ms |
{% endfor %}
{%- endif %}
{% for job in section.data.jobs -%}
- Job {{ job.name | cell }}: {{ job.status }}{% if job.failure %} ({{ job.failure.message | cell }}){% endif %}
{% endfor %}
{%- when "logs" %}
{{ section.data.lines }} line{% if section.data.lines != 1 %}s{% endif %}{% if section.data.time_range %} from {{ section.data.time_range.from }} to {{ section.data.time_range.to }}{% endif %}: {{ section.data.levels.fatal }} fatal, {{ section.data.levels.error }} error{% if section.data.levels.error != 1 %}s{% endif %}, {{ section.data.levels.warn }} warning{% if section.data.levels.warn != 1 %}s{% endif %}.

| Count | Level | Pattern |
|---|---|---|
{% for pattern in section.data.patterns limit: 10 -%}
| {{ pattern.count }} | {% if pattern.levels %}{% for one in pattern.levels %}{% unless forloop.first %}, {% endunless %}{{ one[0] }}{% if pattern.levels.size > 1 %} {{ one[1] }}{% endif %}{% endfor %}{% else %}{{ pattern.level }}{% endif %} | {{ pattern.pattern | truncate: 160 | cell }} |
{% endfor %}
{%- if section.data.last_errors.size > 0 or section.data.first_errors.size > 0 %}
Errors:
{% for error in section.data.first_errors -%}
- line {{ error.line }}{% if error.time %}, {{ error.time }}{% endif %}: {{ error.message | truncate: 300 | cell }}
{% endfor %}
{%- for error in section.data.last_errors -%}
- line {{ error.line }}{% if error.time %}, {{ error.time }}{% endif %}: {{ error.message | truncate: 300 | cell }}
{% endfor %}
{%- endif %}
{%- when "knowledge" %}
{% for passage in section.data.passages limit: 5 -%}
- **{{ passage.title | cell }}** ({{ passage.source | cell }}, lines {{ passage.first_line }}–{{ passage.last_line }}): {{ passage.highlight | truncate: 1000 | cell }}
{% else %}
No passage was found.
{% endfor %}
{%- when "text" %}
{{ section.data | strip | truncate: 100000 }}
{%- when "failed" %}
This step failed: {{ section.data.error | cell }}
{%- else %}
\`\`\`json
{{ section.data | json: 2 | truncate: 4000 }}
\`\`\`
{% endcase %}
{%- endfor %}
{% if summary.missing.size > 0 %}
## Not available

These steps gave no output: {{ summary.missing | join: ", " }}.
{% endif %}
{%- if summary.sources.size > 0 %}
## Sources
{% for source in summary.sources %}
- {{ source.title | cell }}: {{ source.source | cell }}
{%- endfor %}
{% endif %}`;

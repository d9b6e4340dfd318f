/**
 * $1 query, $2 tenant, $3 limit. First the query as it reads; when that finds nothing and it uses no operators ("-not"),
 * any of its words, where a passage with more of the query's distinct words comes first. Words in a heading count most,
 * then those in the document's title. Ranks are ts_rank_cd, brought into 0…1 and damped by the passage's length.
 */
export const SEARCH_SQL = `
WITH asked AS (
  SELECT websearch_to_tsquery('english', $1) AS strict, tsvector_to_array(to_tsvector('english', $1)) AS words
), loose AS (
  SELECT (SELECT string_agg(quote_literal(replace(word, '\\', '\\\\')), ' | ') FROM unnest(asked.words) AS word)::tsquery AS query
  FROM asked
  WHERE cardinality(asked.words) BETWEEN 1 AND 64 AND position('!' IN regexp_replace(asked.strict::text, '''[^'']*''', '', 'g')) = 0
), strict_hits AS (
  SELECT p.document_id, p.passage_index, asked.strict AS query, 0 AS words,
    ts_rank_cd('{0.2, 0.4, 0.6, 1.0}', p.search, asked.strict, 1 | 32) AS rank
  FROM asked JOIN config.knowledge_passages p ON p.search @@ asked.strict
  WHERE p.tenant_id = $2
  ORDER BY rank DESC, p.document_id, p.passage_index
  LIMIT $3
), loose_hits AS (
  SELECT p.document_id, p.passage_index, loose.query,
    (SELECT count(*) FROM asked, unnest(asked.words) AS word
      WHERE p.search @@ quote_literal(replace(word, '\\', '\\\\'))::tsquery)::integer AS words,
    ts_rank_cd('{0.2, 0.4, 0.6, 1.0}', p.search, loose.query, 1 | 32) AS rank
  FROM loose JOIN config.knowledge_passages p ON p.search @@ loose.query
  WHERE p.tenant_id = $2 AND NOT EXISTS (SELECT FROM strict_hits)
  ORDER BY words DESC, rank DESC, p.document_id, p.passage_index
  LIMIT $3
), hits AS (
  SELECT * FROM strict_hits UNION ALL SELECT * FROM loose_hits
)
SELECT p.document_id, d.source, p.title, p.headings, p.text, p.passage_index, p.first_line, p.last_line,
  CASE WHEN hits.words = 0 THEN hits.rank
    ELSE hits.rank * hits.words / (SELECT cardinality(asked.words) FROM asked) END AS rank,
  ts_headline('english', p.text, hits.query,
    'StartSel=**, StopSel=**, MaxFragments=2, MaxWords=40, MinWords=15, FragmentDelimiter=" … "') AS highlight
FROM hits
JOIN config.knowledge_passages p USING (document_id, passage_index)
JOIN config.knowledge_documents d ON d.id = p.document_id
ORDER BY hits.words DESC, hits.rank DESC, p.document_id, p.passage_index`;

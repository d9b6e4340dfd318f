import { HEADLINE } from './highlight.js';

/**
 * $1 words, $2 grams, $3 whether either is enough, $4 any words, $5 any grams, $6 exact identifiers (all of
 * `KnowledgeQuery`), $7 tenant, $8 limit.
 *
 * First it runs the query as written. When that finds nothing and the query has no operators ("-not"), any of its words
 * is enough, and passages with more of its distinct words come first. Passages that contain an identifier exactly come
 * before the others. Words in a heading count most, then those in the document's title. Ranks are ts_rank_cd, scaled to
 * 0…1 and reduced for long passages.
 */
export const SEARCH_SQL = `
WITH given AS (
  SELECT CASE WHEN $3::boolean THEN websearch_to_tsquery('english', $1) || $2::tsquery
    ELSE websearch_to_tsquery('english', $1) && $2::tsquery END AS strict
), asked AS (
  SELECT given.strict, ARRAY(
    (SELECT lexeme FROM unnest(to_tsvector('english', $4)) ORDER BY positions[1], lexeme LIMIT 64)
    UNION ALL SELECT unnest($5::text[])
  ) AS words
  FROM given
), loose AS (
  SELECT (SELECT string_agg(quote_literal(replace(word, '\\', '\\\\')), ' | ') FROM unnest(asked.words) AS word)::tsquery AS query
  FROM asked
  WHERE cardinality(asked.words) > 0 AND position('!' IN regexp_replace(asked.strict::text, '''[^'']*''', '', 'g')) = 0
), strict_hits AS (
  SELECT p.document_id, p.passage_index, asked.strict AS query, 0 AS words, ${exactIn('p')} AS exact,
    ts_rank_cd('{0.2, 0.4, 0.6, 1.0}', p.search, asked.strict, 1 | 32) AS rank
  FROM asked JOIN config.knowledge_passages p ON p.search @@ asked.strict
  WHERE p.tenant_id = $7
  ORDER BY exact DESC, rank DESC, p.document_id, p.passage_index
  LIMIT $8
), loose_hits AS (
  SELECT p.document_id, p.passage_index, loose.query,
    (SELECT count(*) FROM asked, unnest(asked.words) AS word
      WHERE p.search @@ quote_literal(replace(word, '\\', '\\\\'))::tsquery)::integer AS words, ${exactIn('p')} AS exact,
    ts_rank_cd('{0.2, 0.4, 0.6, 1.0}', p.search, loose.query, 1 | 32) AS rank
  FROM loose JOIN config.knowledge_passages p ON p.search @@ loose.query
  WHERE p.tenant_id = $7 AND NOT EXISTS (SELECT FROM strict_hits)
  ORDER BY exact DESC, words DESC, rank DESC, p.document_id, p.passage_index
  LIMIT $8
), hits AS (
  SELECT * FROM strict_hits UNION ALL SELECT * FROM loose_hits
)
SELECT p.document_id, d.source, p.title, p.headings, p.text, p.passage_index, p.first_line, p.last_line,
  CASE WHEN hits.words = 0 THEN hits.rank
    ELSE hits.rank * hits.words / (SELECT cardinality(asked.words) FROM asked) END AS rank,
  ts_headline('english', p.text, hits.query,
    'StartSel="${HEADLINE.start}", StopSel="${HEADLINE.end}", MaxFragments=2, MaxWords=40, MinWords=15, FragmentDelimiter="${HEADLINE.between}"'
  ) AS headline
FROM hits
JOIN config.knowledge_passages p USING (document_id, passage_index)
JOIN config.knowledge_documents d ON d.id = p.document_id
ORDER BY hits.exact DESC, hits.words DESC, hits.rank DESC, p.document_id, p.passage_index`;

/** How many of the identifiers a passage contains exactly. */
function exactIn(passage: string): string {
  return `(CASE WHEN cardinality($6::text[]) = 0 THEN 0 ELSE (SELECT count(*) FROM unnest($6::text[]) AS identifier
      WHERE position(identifier IN lower(${passage}.title || ' ' || ${passage}.heading_text || ' ' || ${passage}.text)) > 0) END)::integer`;
}

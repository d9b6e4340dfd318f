import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Lets the knowledge base find parts of identifiers, and words in scripts without spaces. The search column is
 * generated, so existing documents are indexed again with it.
 */
export class SearchPartsOfWords1700000000010 implements MigrationInterface {
  readonly name = 'SearchPartsOfWords1700000000010';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('SET LOCAL statement_timeout = 0');
    for (const statement of [...FUNCTIONS, ...column(WITH_PARTS)]) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('SET LOCAL statement_timeout = 0');
    for (const statement of column(WHOLE_WORDS)) await queryRunner.query(statement);
    await queryRunner.query('DROP FUNCTION config.knowledge_vector(text)');
    await queryRunner.query('DROP FUNCTION config.knowledge_grams(text)');
  }
}

const column = (vector: (text: string) => string): string[] => [
  'ALTER TABLE config.knowledge_passages DROP COLUMN search',
  `ALTER TABLE config.knowledge_passages ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
    setweight(${vector('title')}, 'B') || setweight(${vector('heading_text')}, 'A') || setweight(${vector('text')}, 'D')
  ) STORED`,
  'CREATE INDEX knowledge_passages_search ON config.knowledge_passages USING gin (search)',
];
const WITH_PARTS = (text: string): string => `config.knowledge_vector(${text})`;
const WHOLE_WORDS = (text: string): string => `to_tsvector('english'::regconfig, ${text})`;

/**
 * Characters of scripts without spaces between words, and of Hangul, whose words have endings: Thai, Lao, Myanmar,
 * Hangul, Khmer, Japanese and Chinese. query.ts in services/config/src/knowledge has the same list.
 */
const GRAM =
  '[\\u0E01-\\u0E3A\\u0E40-\\u0E4E\\u0E81-\\u0ECD\\u1000-\\u103F\\u1050-\\u109D\\u1100-\\u11FF\\u1780-\\u17D3\\u3005-\\u3007' +
  '\\u3041-\\u3096\\u309D-\\u309F\\u30A1-\\u30FA\\u30FC-\\u30FF\\u3105-\\u312F\\u31F0-\\u31FF\\u3400-\\u4DBF\\u4E00-\\u9FFF' +
  '\\uAC00-\\uD7A3\\uF900-\\uFAFF\\U00020000-\\U0003FFFF]';

/** Characters between the parts of identifiers, paths and addresses. */
const SEPARATORS = '._/\\:@#+=~$%&?<>|*^`"-\'()[]{},;!';

const FUNCTIONS = [
  // Each such character together with the next one, with their positions. A word is found as the phrase of its pairs.
  `CREATE FUNCTION config.knowledge_grams(t text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN t !~ '${GRAM}' THEN ''::tsvector ELSE (
      SELECT string_agg(quote_literal(CASE WHEN next_at = at + 1 THEN c || next ELSE c END) || ':' || at, ' ')::tsvector
      FROM (
        SELECT c, at, lead(c) OVER (ORDER BY at) AS next, lead(at) OVER (ORDER BY at) AS next_at
        FROM unnest(string_to_array(t, NULL)) WITH ORDINALITY AS characters(c, at)
        WHERE c ~ '${GRAM}'
      ) AS pairs
    ) END
  $$`,
  // English words, split at the characters between the parts of an identifier, a path or an address (PostgreSQL's
  // parser would keep these whole, and skip text between < and >). Also the parts of camel-case names, and the pairs of
  // characters.
  `CREATE FUNCTION config.knowledge_vector(t text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('english'::regconfig, words)
      || to_tsvector('english'::regconfig, (
        SELECT coalesce(string_agg(regexp_replace(found[1], '([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])', '\\1\\3 \\2\\4', 'g'), ' '), '')
        FROM regexp_matches(words, '([A-Za-z0-9]*(?:[a-z0-9][A-Z]|[A-Z][A-Z][a-z])[A-Za-z0-9]*)', 'g') AS found
      ))
      || config.knowledge_grams(normal)
    FROM (SELECT normalize(t, NFKC) AS normal) AS given,
      LATERAL (SELECT translate(regexp_replace(normal, '${GRAM}+', ' ', 'g'),
        '${SEPARATORS.replace("'", "''")}', '${' '.repeat(SEPARATORS.length)}') AS words) AS divided
  $$`,
];

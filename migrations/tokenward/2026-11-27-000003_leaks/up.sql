-- The numbers of leaks, so that two who handle leaks of the same database never give the same number to two of them.
CREATE SEQUENCE tokenward.leak_number;

-- A number is no secret, and whoever has no USAGE of the schema cannot reach it.
GRANT SELECT, USAGE ON SEQUENCE tokenward.leak_number TO PUBLIC;

from django.db import migrations, models

# Each space's vectors get two HNSW indexes, of the public photos' and of the private ones' (docs/decisions/0008).
# The new indexes are made from the old one's definition: what it was made with stays.
COLUMNS = """
ALTER TABLE photos_photoembedding ADD COLUMN is_public boolean NOT NULL DEFAULT true;
ALTER TABLE photos_segmentembedding ADD COLUMN is_public boolean NOT NULL DEFAULT true;
ALTER TABLE photos_photoembedding ALTER COLUMN is_public DROP DEFAULT;
ALTER TABLE photos_segmentembedding ALTER COLUMN is_public DROP DEFAULT;
"""
DROP_COLUMNS = """
ALTER TABLE photos_photoembedding DROP COLUMN is_public;
ALTER TABLE photos_segmentembedding DROP COLUMN is_public;
"""
ROWS = """
UPDATE photos_photoembedding e SET is_public = false
    FROM photos_photo p WHERE p.id = e.photo_id AND p.visibility <> 'public';
UPDATE photos_segmentembedding s SET is_public = false
    FROM photos_photo p WHERE p.id = s.photo_id AND p.visibility <> 'public';
UPDATE photos_photo p SET graph_visibility = visibility
    WHERE EXISTS (SELECT FROM photos_photoembedding e WHERE e.photo_id = p.id)
       OR EXISTS (SELECT FROM photos_segmentembedding s WHERE s.photo_id = p.id);
SET CONSTRAINTS ALL IMMEDIATE;
"""
SPLIT_INDEXES = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT i.indexname AS name, i.indexdef AS made FROM pg_indexes i
        WHERE i.schemaname = current_schema() AND i.tablename ~ '^photos_(photo|segment)embedding_[0-9]+$'
          AND i.indexname = i.tablename || '_hnsw'
    LOOP
        EXECUTE format('DROP INDEX %I', one.name);
        EXECUTE replace(one.made, ' ' || one.name || ' ', ' ' || one.name || '_public ') || ' WHERE is_public';
        EXECUTE replace(one.made, ' ' || one.name || ' ', ' ' || one.name || '_private ') || ' WHERE NOT is_public';
    END LOOP;
END $$
"""
JOIN_INDEXES = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT i.tablename || '_hnsw' AS name, i.indexdef AS made FROM pg_indexes i
        WHERE i.schemaname = current_schema() AND i.tablename ~ '^photos_(photo|segment)embedding_[0-9]+$'
          AND i.indexname = i.tablename || '_hnsw_public'
    LOOP
        EXECUTE format('DROP INDEX %I, %I', one.name || '_public', one.name || '_private');
        EXECUTE regexp_replace(
            replace(one.made, ' ' || one.name || '_public ', ' ' || one.name || ' '), ' WHERE .*$', ''
        );
    END LOOP;
END $$
"""
IN_WRONG_GRAPH = models.Q(
    models.Q(("graph_visibility", ""), _negated=True),
    models.Q(("graph_visibility", models.F("visibility")), _negated=True),
)


class Migration(migrations.Migration):
    dependencies = [("photos", "0007_place_follow")]

    operations = [
        migrations.AddField(
            model_name="photo",
            name="graph_visibility",
            field=models.CharField(blank=True, default="", editable=False, max_length=10),
        ),
        migrations.AddIndex(
            model_name="photo",
            index=models.Index(condition=IN_WRONG_GRAPH, fields=["id"], name="photo_in_wrong_graph"),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(COLUMNS, DROP_COLUMNS)],
            state_operations=[
                migrations.AddField(model_name=name, name="is_public", field=models.BooleanField())
                for name in ("photoembedding", "segmentembedding")
            ],
        ),
        migrations.RunSQL(ROWS, migrations.RunSQL.noop),
        migrations.RunSQL(SPLIT_INDEXES, JOIN_INDEXES),
    ]

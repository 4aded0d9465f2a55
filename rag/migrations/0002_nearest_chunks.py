"""The index behind vector search, built without stopping writes."""

from django.db import migrations

# A broken concurrent build leaves an invalid index behind, hence the DROP first.
DROP = "DROP INDEX CONCURRENTLY IF EXISTS rag_chunk_nearest_384"
# The expression and its condition are what rag.stores.pgvector asks with; every
# dimension that an embedder has needs an index like it.
CREATE = """
CREATE INDEX CONCURRENTLY rag_chunk_nearest_384 ON rag_chunk
    USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops)
    WHERE vector_dims(embedding) = 384
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("rag", "0001_corpora_documents_chunks")]
    operations = [migrations.RunSQL([DROP, CREATE], [DROP])]

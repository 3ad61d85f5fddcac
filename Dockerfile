# The server with the phantom base. Not built in our checks: they have no Docker engine.
#   docker build -t medvlm-zoo .
# A server that others can reach needs keys, in a file that user 1000 alone may read:
#   docker run --rm --entrypoint medzoo medvlm-zoo keys new me --role admin    # prints a key and a line
#   docker run -p 127.0.0.1:7860:7860 -v ./keys:/keys:ro -e MEDZOO_KEYS_FILE=/keys -e HF_ENDPOINT=... \
#       medvlm-zoo --adapter owner/name
# For people who rate: a folder that user 1000 may write, and accounts in it:
#   docker run --rm -it -v ./ratings:/ratings --entrypoint medzoo medvlm-zoo accounts new me \
#       --role administrator --annotations /ratings/ratings.sqlite
#   docker run -p 127.0.0.1:7860:7860 -v ./ratings:/ratings -e MEDZOO_ANNOTATIONS=/ratings/ratings.sqlite \
#       -e HF_ENDPOINT=... medvlm-zoo --adapter owner/name
FROM python:3.11-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY zoo zoo
COPY model_cards model_cards
COPY training training
COPY serving serving
RUN pip install --no-cache-dir --constraint constraints.txt '.[serve,postgres]'
RUN useradd --create-home zoo
USER zoo
EXPOSE 7860
ENTRYPOINT ["medzoo", "serve", "--host", "0.0.0.0"]

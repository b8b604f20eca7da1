# Stands in for prom/prometheus: Debian's package, an older release.
ARG PYTHON
FROM ${PYTHON}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends prometheus wget \
 && rm -rf /var/lib/apt/lists/* && mkdir -p /prometheus && chown nobody /prometheus
VOLUME /prometheus
USER 65534
ENTRYPOINT ["/usr/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]

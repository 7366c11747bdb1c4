namespace RbdReplication.Core;

/// <summary>Cluster configuration and mapping, as they are on disk now.</summary>
/// <param name="Config">The clusters.</param>
/// <param name="Mapping">How ids of both sites belong together.</param>
public sealed record ClusterSettings(ClusterConfig Config, ClusterMapping Mapping);

/// <summary>
/// Follows the two configuration files. They are read again for every request: that costs some 30 µs, needs no watcher and
/// cannot miss a change, however Kubernetes swaps the files. They are parsed only when their bytes differ. A file that
/// cannot be read or parsed leaves the last good content in force and is reported once.
/// </summary>
/// <param name="configPath">Path of <c>config.json</c>.</param>
/// <param name="mappingPath">Path of <c>cluster-mapping.json</c>; the file may be missing.</param>
/// <param name="report">Gets every change: path, and what is wrong with it or null.</param>
public sealed class ClusterFiles(string configPath, string mappingPath, Action<string, string?> report)
{
    private readonly TrackedFile<ClusterConfig> _config = new(configPath, required: true, ClusterConfig.Parse, report);
    private readonly TrackedFile<ClusterMapping> _mapping = new(mappingPath, required: false, ClusterMapping.Parse, report);

    /// <summary>The settings in force.</summary>
    /// <exception cref="ReplicationException"><see cref="ReplicationError.Unavailable"/>: a file was never readable yet.</exception>
    public ClusterSettings Read() => new(_config.Read()!, _mapping.Read() ?? ClusterMapping.Empty);

    // A ConfigMap has at most 1 MiB.
    private const long MaximumBytes = 4 * 1024 * 1024;

    private delegate T Parse<out T>(ReadOnlySpan<byte> json);

    private sealed class TrackedFile<T>(string path, bool required, Parse<T> parse, Action<string, string?> report) where T : class
    {
        private readonly object _lock = new();
        private byte[]? _bytes;
        private T? _value;
        private string? _problem;

        public T? Read()
        {
            lock (_lock)
            {
                var problem = Refresh();
                if (problem != _problem)
                    report(path, problem);
                _problem = problem;
                return _value is null && problem is not null
                    ? throw new ReplicationException(ReplicationError.Unavailable, $"the configuration file {path} cannot be used: {problem}")
                    : _value;
            }
        }

        private byte[] ReadBytes()
        {
            using var file = File.OpenHandle(path);
            var length = RandomAccess.GetLength(file);
            if (length > MaximumBytes)
                throw new IOException($"it has {length} bytes, more than 4 MiB");
            var bytes = new byte[length];
            var read = 0;
            for (var more = 1; more > 0; read += more)
                more = RandomAccess.Read(file, bytes.AsSpan(read), read);
            return read == bytes.Length ? bytes : bytes[..read];
        }

        private string? Refresh()
        {
            try
            {
                var bytes = ReadBytes();
                if (_bytes.AsSpan().SequenceEqual(bytes) && _bytes is not null)
                    return _problem;
                _bytes = bytes;
                _value = parse(bytes);
                return null;
            }
            catch (Exception e) when (!required && e is FileNotFoundException or DirectoryNotFoundException)
            {
                _bytes = null;
                _value = null;
                return null;
            }
            catch (FormatException e)
            {
                return e.Message;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The same content, once it is back, is good news to report.
                _bytes = null;
                return e.Message;
            }
        }
    }
}

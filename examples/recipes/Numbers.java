// SPDX-License-Identifier: MIT
// Native memory from Java: compressors, and buffers outside of Java's own heap.
import java.nio.ByteBuffer;
import java.util.zip.Deflater;

public class Numbers {
    public static void main(String[] args) {
        byte[] text = new byte[1 << 20], out = new byte[1 << 20];
        for (int i = 0; i < text.length; i++)
            text[i] = (byte) (i * 31 % 97);
        ByteBuffer[] buffers = new ByteBuffer[256];
        long sum = 0;
        for (int round = 0; round < 400; round++) {
            Deflater deflater = new Deflater(1);
            deflater.setInput(text, 0, 65536 + round);
            deflater.finish();
            sum += deflater.deflate(out);
            deflater.end();
            ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
            for (int i = 0; i < buffer.capacity(); i += 512)
                buffer.putInt(i, i);
            buffers[round % buffers.length] = buffer;
        }
        System.out.println("sum " + sum);
    }
}
